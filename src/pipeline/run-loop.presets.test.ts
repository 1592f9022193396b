// The presets that make their own model, on the real task with the scripted backend, run whole.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createScriptedBackend, type WriteArgs } from '../backends/scripted.ts';
import { loadConfig } from '../config/load.ts';
import { METHODS, type MethodName, roundsOf } from '../method/methods.ts';
import { taskNamed } from '../tasks/index.ts';
import { runLoop } from './run-loop.ts';

const score = ({ steps }: { readonly steps: readonly string[] }) => steps.map((step) => (step.length % 7) / 7);

it('smoke runs two rounds on mini', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sipf-preset-'));
  const task = taskNamed('mini');
  const questions = await task.load({ split: 'train', limit: 200, seed: 1 });
  const solutions = new Map(
    questions.map((question) => [task.prompt(question), task.pieces(question.solution ?? []).join('')]),
  );
  // Half the time the solution, else one with another answer; continues any prefix of it.
  const write = ({ prompt, prefix, random }: WriteArgs) => {
    const solution = solutions.get(prompt) ?? 'no\nThe answer is 1';
    const text = random.next() < 0.5 ? solution : solution.replace(/is \d+/, `is ${random.int(100, 900)}`);
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  };
  // One character is one token here.
  const flags = { 'sampling.maxTokens': 400, 'labels.maxTokens': 400 };
  const config = await loadConfig({ preset: 'smoke', flags });
  const { rounds, final } = await runLoop({ config, out, backend: createScriptedBackend({ write, score }) });
  expect(rounds).toHaveLength(3);
  expect(rounds[1]?.counts['1-samples']?.right).toBeGreaterThan(20);
  expect(rounds[1]?.pairs?.pairs).toBeGreaterThan(5);
  expect(rounds[1]?.scores?.trueSteps).not.toBeNull();
  expect(final?.rows).toHaveLength(2);
  await rm(out, { recursive: true });
});

/** It learns from right samples of its own alone. */
const NEEDS_RIGHT = 'star';
const methods = (Object.keys(METHODS) as MethodName[]).filter((name) => name !== NEEDS_RIGHT);

it.each(methods)('smoke runs the method %s on a model that is never right', async (method) => {
  const out = await mkdtemp(join(tmpdir(), 'sipf-preset-'));
  const write = ({ random }: WriteArgs) => `Some ${random.int(1, 9)}+1=3\nThe answer is -${random.int(1, 99)}`;
  const config = await loadConfig({ preset: 'smoke', flags: { method } });
  const { final } = await runLoop({ config, out, backend: createScriptedBackend({ write, score }) });
  expect(final?.rows).toHaveLength(roundsOf(METHODS[method], 2) === 0 ? 1 : 2);
  await rm(out, { recursive: true });
});
