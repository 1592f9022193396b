// Greedy continuations, log-probabilities and step scores of the committed fixtures -> equal to those of transformers and PEFT.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Completion } from '../../src/backend.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { generate } from '../../src/inference/generate.ts';
import { completionLogps } from '../../src/inference/logps.ts';
import { StepScorer } from '../../src/inference/step-scores.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { fixtures, openTiny } from '../tiny-model.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });

interface Reference {
  readonly greedy_prompt: number[];
  readonly greedy_continuation: number[];
}

describe.each(['llama', 'llama-tied', 'llama-3.2'])('%s', (name) => {
  const folder = join(fixtures, 'models', name);

  it('continues greedily with the cache as transformers does', async () => {
    await using tiny = await openTiny(engine, `models/${name}`);
    const reference = JSON.parse(await readFile(join(folder, 'reference.json'), 'utf8')) as Reference;
    const finished: Completion[] = [];
    const sampling = { temperature: 0, maxTokens: 32, ignoreEos: true };
    const request = { id: 'a', context: [reference.greedy_prompt], key: 'k', sampling };
    const stats = await generate({ ...tiny, cache: tiny.cache(2) }, [request], (group) => {
      finished.push(...group);
      return [];
    });
    expect(finished[0]?.tokenIds).toEqual(reference.greedy_continuation);
    expect(finished[0]?.finishReason).toBe('length');
    expect(stats).toEqual({ promptTokens: reference.greedy_prompt.length - 1, generatedTokens: 32 });
    const again = await completionLogps(tiny, [
      { context: [reference.greedy_prompt], completion: reference.greedy_continuation },
    ]);
    expectClose(finished[0]?.logps ?? [], again[0] ?? [], 1e-4);
  });

  it('gives the log-probabilities of transformers', async () => {
    await using tiny = await openTiny(engine, `models/${name}`);
    const tensors = await readSafetensors(join(folder, 'reference.safetensors'));
    const { shape, data: ids } = tensors.get('input_ids') as { shape: readonly number[]; data: Float32Array };
    const width = shape[1] as number;
    const expected = tensors.get('token_logps')?.data as Float32Array;
    const lengths = [40, 27];
    const rows = lengths.map((length, row) => [...ids.subarray(row * width, row * width + length)]);
    const logps = await completionLogps(
      tiny,
      rows.map((row) => ({ context: [row.slice(0, 1)], completion: row.slice(1) })),
    );
    for (const [row, length] of lengths.entries()) {
      expectClose(logps[row] ?? [], [...expected.subarray(row * width + 1, row * width + length)], 1e-4);
    }
  });

  it('with its adapter merged: the log-probabilities of PEFT', async () => {
    await using tiny = await openTiny(engine, `models/${name}`, { adapter: `models/${name}/adapter` });
    const tensors = await readSafetensors(join(folder, 'reference.safetensors'));
    const { data: ids } = tensors.get('input_ids') as { data: Float32Array };
    const logits = tensors.get('adapter.logits') as { shape: readonly number[]; data: Float32Array };
    const [, width, vocab] = logits.shape as [number, number, number];
    for (const [row, length] of [40, 27].entries()) {
      const tokens = [...ids.subarray(row * width, row * width + length)];
      const expected = tokens.slice(1).map((token, n) => {
        const from = (row * width + n) * vocab;
        return logSoftmax(logits.data.subarray(from, from + vocab), token);
      });
      const [logps] = await completionLogps(tiny, [{ context: [tokens.slice(0, 1)], completion: tokens.slice(1) }]);
      expectClose(logps ?? [], expected, 1e-4);
    }
  });
});

it('scores steps as the token classifier does', async () => {
  await using tiny = await openTiny(engine, 'prm');
  await using scorer = new StepScorer(engine, tiny.weights);
  const reference = JSON.parse(await readFile(join(fixtures, 'prm', 'reference.json'), 'utf8')) as {
    step_end_positions: number[][];
    step_probabilities: number[];
  };
  const tensors = await readSafetensors(join(fixtures, 'prm', 'reference.safetensors'));
  const { shape, data } = tensors.get('input_ids') as { shape: readonly number[]; data: Float32Array };
  const width = shape[1] as number;
  const paths = reference.step_end_positions.map((ends, row) => {
    const ids = [...data.subarray(row * width, (row + 1) * width)];
    const cuts = [4, ...ends.map((end) => end + 1)];
    return { prompt: ids.slice(0, 4), steps: ends.map((_, n) => ids.slice(cuts[n], cuts[n + 1])) };
  });
  expectClose((await scorer.score(paths)).flat(), reference.step_probabilities, 1e-4);
  // One path alone, and two that share a row, give the same.
  const [first] = paths as [(typeof paths)[0]];
  const twins = await scorer.score([first, { prompt: first.prompt, steps: first.steps.slice(0, 2) }, first]);
  for (const twin of twins) expectClose(twin, reference.step_probabilities.slice(0, twin.length), 1e-4);
});

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const difference = Math.max(...actual.map((value, n) => Math.abs(value - (expected[n] as number))));
  expect(difference).toBeLessThanOrEqual(tolerance * largest);
}

function logSoftmax(logits: Float32Array, index: number): number {
  const best = Math.max(...logits);
  return (logits[index] as number) - best - Math.log(logits.reduce((sum, x) => sum + Math.exp(x - best), 0));
}
