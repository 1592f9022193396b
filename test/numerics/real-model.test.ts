// Real weights -> the answers' log-probabilities and greedy choices of transformers.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, Policy } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { Engine } from '../../src/engine/runtime/session.ts';

const shared = join(import.meta.dirname, '../../../shared');
const MODELS = [
  ['SmolLM2-135M', 'SmolLM2-135M-Instruct.Q4_1.gguf', 'smollm2-135m-instruct.json'],
  ['Gemma 3 270M', 'gemma-3-270m-q4_k_m.gguf', 'gemma-3-270m.json'],
] as const;
const there = MODELS.filter(
  ([, weights, reference]) =>
    existsSync(join(shared, 'models', weights)) && existsSync(join(shared, 'fixtures/real', reference)),
);
for (const one of MODELS)
  if (!there.includes(one))
    console.warn(
      `Skipped: ${one[0]}. Its weights and reference numbers belong in ../shared (models/, fixtures/real/).`,
    );

interface Item {
  readonly prompt_ids: number[];
  readonly answer_ids: number[];
  readonly answer_logps: number[];
  readonly greedy_ids: number[];
  readonly greedy_gap: number[];
}

describe.for(there)('%s', { timeout: 900_000 }, ([, weights, reference]) => {
  let cache: string;
  let policy: Policy;
  let items: Item[];
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), 'sipf-real-'));
    items = (JSON.parse(await readFile(join(shared, 'fixtures/real', reference), 'utf8')) as { items: Item[] }).items;
    policy = await openInProcessPolicy(
      new Engine({ provider: 'cpu' }),
      { model: join(shared, 'models', weights) },
      { cache, slots: 16 },
    );
  });
  afterAll(async () => {
    await policy?.[Symbol.asyncDispose]();
    await rm(cache, { recursive: true, force: true });
  });

  it('gives the log-probabilities of the answers within 1e-3', async () => {
    const logps = await policy.logps(
      items.map(({ prompt_ids, answer_ids }) => ({ context: [prompt_ids], completion: answer_ids })),
    );
    for (const [n, { answer_logps }] of items.entries()) {
      const differences = answer_logps.map((expected, i) => Math.abs(expected - (logps[n]?.[i] as number)));
      expect(logps[n]?.length).toBe(answer_logps.length);
      expect(Math.max(...differences)).toBeLessThan(1e-3);
    }
  });

  it('chooses the same greedy ids wherever the two best logits are apart', async () => {
    const byId = new Map<string, Completion>();
    // Teacher-forced: each position is a request of one token behind the reference's own beginning.
    const requests = items.flatMap(({ prompt_ids, greedy_ids }, n) =>
      greedy_ids.map((_, i) => ({
        id: `${n}/${i}`,
        context: [prompt_ids, greedy_ids.slice(0, i)],
        key: '',
        sampling: { temperature: 0, maxTokens: 1 },
      })),
    );
    const stats = await policy.generate(requests, (finished) => {
      for (const completion of finished) byId.set(completion.id, completion);
      return [];
    });
    let checked = 0;
    for (const [n, { greedy_ids, greedy_gap }] of items.entries()) {
      for (const [i, id] of greedy_ids.entries()) {
        if ((greedy_gap[i] as number) <= 0.01) continue;
        expect(byId.get(`${n}/${i}`)?.tokenIds).toEqual([id]);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(150);
    // "Question:" and each text once.
    const tokens = items.reduce(
      (sum, { prompt_ids, greedy_ids }) => sum + prompt_ids.length + greedy_ids.length - 2,
      0,
    );
    expect(stats.promptTokens).toBeLessThanOrEqual(tokens);
  });
});
