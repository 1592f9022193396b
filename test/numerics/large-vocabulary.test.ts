// A model of more than 2^18 tokens -> the interpreter's logits, loss and gradients, and its draws.
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Completion, GenerateRequest } from '../../src/backend.ts';
import { generate } from '../../src/inference/generate.ts';
import { completionLogps } from '../../src/inference/logps.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { initModelFolder } from '../../src/models/weights/init-model.ts';
import { keyedUniform } from '../../src/random.ts';
import { logitsOf } from '../architecture-fixture.ts';
import { interpretPass } from '../reference/decoder.ts';
import { fixtures, openTiny, type TinyModel } from '../tiny-model.ts';
import { engine, gradientsOf, readJson, relativeError, rowEach, scratch, tokenExample } from '../training-fixtures.ts';

/** Gemma 3's: more rows than 2^18. */
const VOCAB = 262_208;
const CONFIG = {
  model_type: 'gemma3_text',
  vocab_size: VOCAB,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  query_pre_attn_scalar: 4,
  sliding_window: 3,
  sliding_window_pattern: 2,
  max_position_embeddings: 64,
  // Wide enough that a few tokens have most of the probability, so that draws can be told apart.
  initializer_range: 1.5,
};
/** The ends of the vocabulary, and both sides of 2^18. */
const IDS = [262_207, 0, 262_144, 5, 262_143, 131_072, 262_150, 262_206];
const START = 3;
const ROWS = [{ ids: IDS, start: START }];
/** Numbers of two ways agree within this share of the largest; a draw whose uniform is as near to a boundary is a tie. */
const TOLERANCE = 1e-4;

/** Samplers elsewhere may tell no tokens. */
type Drawn = Completion & { readonly tokenIds: readonly number[] };

const folder = join(scratch, 'large-vocabulary');
let tiny: TinyModel;
let reference: ReturnType<typeof interpretPass>;
beforeAll(async () => {
  await initModelFolder(folder, { config: CONFIG, tokenizer: readJson('tokenizer/tokenizer.json'), seed: 1 });
  tiny = await openTiny(engine, relative(fixtures, folder));
  const values = await readSafetensors(join(folder, 'model.safetensors'));
  reference = interpretPass(tiny.weights.decoder, { values }, ROWS);
});
afterAll(() => tiny[Symbol.asyncDispose]());

it('logits', async () => {
  const [found = []] = await logitsOf(engine, tiny.weights, ROWS);
  expect(relativeError(found, reference.logits[0] ?? [])).toBeLessThan(TOLERANCE);
});

it('log-probabilities, of more positions than one call computes', async () => {
  const item = { context: [IDS.slice(0, 1)], completion: IDS.slice(1) };
  const others = Array.from({ length: 11 }, (_, n) => ({ context: [[n]], completion: [n + 262_190, ...IDS.slice(1)] }));
  const all = await completionLogps(tiny, [item, ...others]);
  expect(relativeError((all[0] ?? []).map(Number), reference.logps[0] ?? [])).toBeLessThan(TOLERANCE);
  const [alone = []] = await completionLogps(tiny, [others[10] as (typeof others)[0]]);
  expect(relativeError((all[11] ?? []).map(Number), alone.map(Number))).toBeLessThan(TOLERANCE);
});

it.each([
  ['at once', 1e6],
  ['in parts', 2],
])('loss and gradients of all weights, logits %s', async (_what, maxPositions) => {
  const objective = { kind: 'sft', scope: 'completion' } as const;
  await using opened = await gradientsOf({ model: folder, objective, maxPositions });
  const example = tokenExample(IDS.slice(0, START), [IDS.slice(START)]);
  const { loss, gradients } = await opened.run([rowEach([example], IDS.length)]);
  expect(Math.abs(loss / reference.loss - 1)).toBeLessThan(TOLERANCE);
  expect([...gradients.keys()].sort()).toEqual([...reference.gradients.keys()].sort());
  for (const [name, gradient] of gradients)
    expect(relativeError(gradient, reference.gradients.get(name) ?? []), name).toBeLessThan(TOLERANCE);
});

it('draws, greedy, at a temperature and cut', async () => {
  const samplings = [
    { temperature: 0 },
    { temperature: 1 },
    { temperature: 0.7, topK: 5 },
    { temperature: 1, topP: 0.6 },
  ];
  const requests = samplings.map((sampling, n): GenerateRequest => {
    return {
      id: String(n),
      context: [IDS],
      key: `draw ${n}`,
      sampling: { ...sampling, maxTokens: 4, ignoreEos: true },
    };
  });
  const found = new Map<string, Drawn>();
  await generate({ ...tiny, cache: tiny.cache(4) }, requests, (group) => {
    for (const completion of group) found.set(completion.id, completion as Drawn);
    return [];
  });
  let checked = 0;
  for (const { id, key, sampling } of requests) {
    const { tokenIds, logps } = found.get(id) as Drawn;
    const [logits = new Float32Array()] = await logitsOf(engine, tiny.weights, [
      { ids: [...IDS, ...tokenIds], start: 0 },
    ]);
    for (const [n, token] of tokenIds.entries()) {
      const at = IDS.length - 1 + n;
      const own = logits.subarray(at * VOCAB, (at + 1) * VOCAB);
      const expected = slowDraw(own, keyedUniform(key)(n), sampling);
      expect(Number(logps?.[n])).toBeCloseTo((own[token] as number) - logSumExp(own), 3);
      if (expected.margin < TOLERANCE) continue;
      expect(token).toBe(expected.token);
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(12);
});

function logSumExp(logits: Float32Array): number {
  const best = logits.reduce((a, b) => Math.max(a, b));
  return best + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - best), 0));
}

/** One draw in float64: the first token of those kept whose cumulative share exceeds the uniform, and how near a boundary was. */
function slowDraw(
  logits: Float32Array,
  uniform: number,
  { temperature = 1, topK = VOCAB, topP = 1 }: GenerateRequest['sampling'],
): { token: number; margin: number } {
  const sorted = Float64Array.from(logits).sort().reverse();
  const [best = 0, second = 0] = sorted;
  if (temperature === 0) return { token: logits.indexOf(best), margin: best - second };
  const weight = (logit: number) => Math.exp((logit - best) / temperature);
  const likeliest = sorted.subarray(0, topK);
  const mass = likeliest.reduce((sum, logit) => sum + weight(logit), 0);
  let [above, margin, least] = [0, 1, best];
  for (const logit of likeliest) {
    if (topP < 1) margin = Math.min(margin, Math.abs(above / mass - topP));
    if (above < topP * mass) least = logit;
    above += weight(logit);
  }
  const total = logits.reduce((sum, logit) => sum + (logit < least ? 0 : weight(logit)), 0);
  let share = 0;
  for (const [token, logit] of logits.entries()) {
    const before = share;
    share += logit < least ? 0 : weight(logit) / total;
    if (share > uniform) return { token, margin: Math.min(margin, uniform - before, share - uniform) };
  }
  return { token: -1, margin: 0 };
}
