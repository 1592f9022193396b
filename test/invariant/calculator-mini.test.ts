// A tiny model that has learnt `mini` for seconds -> with a calculator all its annotations are true.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writtenBehind } from '../../src/arithmetic/calculator.ts';
import type { Policy } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { goldRows } from '../../src/method/align-rows.ts';
import type { BuildPrompt } from '../../src/method/prompt.ts';
import type { Question } from '../../src/records.ts';
import { createMini } from '../../src/tasks/generated/mini.ts';
import { miniTokenizerJson } from '../../src/tasks/generated/mini-tokenizer.ts';
import { wordTokenizerConfig } from '../../src/tasks/generated/word-tokenizer.ts';
import { checkEquation } from '../../src/tasks/math/equations.ts';
import { OPTIONS } from '../training-fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-calculator-mini-'));
const backend = createInProcessBackend({ provider: 'cpu', threads: 1, slots: 32, cache: join(folder, 'cache') });
const task = createMini();
const prompt: BuildPrompt = (question) => task.prompt(question);
const model = join(folder, 'model');
let questions: readonly Question[] = [];
let policy: Policy;

beforeAll(async () => {
  questions = await task.load({ split: 'train', seed: 1, limit: 64 });
  await backend.initModel(model, {
    config: {
      hidden_size: 48,
      intermediate_size: 96,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      max_position_embeddings: 256,
      initializer_range: 0.05,
      tie_word_embeddings: true,
    },
    tokenizer: miniTokenizerJson(),
    tokenizerConfig: wordTokenizerConfig(),
    seed: 1,
  });
  const examples = goldRows(questions, null, '', { task, prompt });
  const options = { ...OPTIONS, learningRate: 1e-2, batchSize: 16, maxSteps: 110, maxLength: 256, shuffle: true };
  const job = { source: { model }, examples, out: join(folder, 'sft'), options };
  const { source, steps } = await backend.train(job, () => undefined);
  expect(steps.at(-1)?.loss).toBeLessThan(1);
  policy = await backend.openPolicy(source);
}, 120_000);
afterAll(async () => {
  await policy?.[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Annotations of drawn paths whose results can be computed, and the tokens that were forced. */
async function drawn(calculator: boolean) {
  const found: string[] = [];
  let forced = 0;
  const requests = questions.map((question) => ({
    id: question.id,
    context: [prompt(question)],
    key: question.id,
    sampling: { temperature: 1, maxTokens: task.maxTokens, stopStrings: task.stopStrings, calculator },
  }));
  await policy.generate(requests, (finished) => {
    for (const { text, forced: places = [] } of finished) {
      found.push(...[...text.matchAll(/<<[^<>\n]*>>/g)].map(([annotation]) => annotation));
      forced += places.length;
    }
    return [];
  });
  const computable = found.filter((text) => writtenBehind(text.slice(0, text.indexOf('=') + 1)) !== null);
  const isTrue = computable.filter((text) => checkEquation(text.slice(2, -2)).holds === true);
  return { all: computable.length, true: isTrue.length, forced };
}

it('with a calculator all annotations are true, without it some are false', async () => {
  const [own, plain] = [await drawn(true), await drawn(false)];
  expect(own.all).toBeGreaterThan(50);
  expect(own.true).toBe(own.all);
  expect(own.forced).toBeGreaterThanOrEqual(2 * own.all);
  expect(plain.all).toBeGreaterThan(50);
  expect(plain.true).toBeLessThan(plain.all);
  expect(plain.forced).toBe(0);
});

it('training can leave results without loss: two tokens an annotation here', async () => {
  const examples = goldRows(questions, null, '', { task, prompt });
  const lossTokens = async (calculatorLoss: boolean) => {
    const options = { ...OPTIONS, batchSize: examples.length, maxSteps: 1, maxLength: 256, calculatorLoss };
    const out = join(folder, `loss ${calculatorLoss}`);
    const { steps, hash } = await backend.train({ source: { model }, examples, out, options }, () => undefined);
    return { tokens: steps[0]?.metrics['lossTokens'] ?? 0, hash };
  };
  const [loud, quiet] = [await lossTokens(true), await lossTokens(false)];
  const texts = examples.map(({ completion }) => completion.join(''));
  expect(loud.tokens - quiet.tokens).toBe(2 * (texts.join('').match(/<</g) ?? []).length);
  expect(quiet.hash).not.toBe(loud.hash);
});
