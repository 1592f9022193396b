// A model that often opens an annotation -> results that are computed, whatever runs beside them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { resultSpans } from '../../src/arithmetic/calculator.ts';
import type { Completion, GenerateRequest, Policy, SamplingOptions } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { wordTokenizerConfig, wordTokenizerJson } from '../../src/tasks/generated/word-tokenizer.ts';
import { checkEquation } from '../../src/tasks/math/equations.ts';

const CONTEXT = 64;
const folder = mkdtempSync(join(tmpdir(), 'sipf-calculator-'));
const backends = [1, 3].map((slots) =>
  createInProcessBackend({ provider: 'cpu', threads: 1, slots, cache: join(folder, 'cache') }),
);
let alone: Policy;
let among: Policy;

beforeAll(async () => {
  const model = join(folder, 'model');
  const texts = ['<<7*8=<<9/4=<<1/3=<<6-8=>>ab.-\n'];
  const digits = Array.from({ length: 10 }, (_, digit) => String(digit));
  await backends[0]?.initModel(model, {
    config: {
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: CONTEXT,
      initializer_range: 0.2,
    },
    tokenizer: wordTokenizerJson('<<[^=]*=|>>|[^<>]', texts, digits),
    tokenizerConfig: wordTokenizerConfig(),
    seed: 1,
  });
  [alone, among] = (await Promise.all(backends.map((backend) => backend.openPolicy({ model })))) as [Policy, Policy];
});
afterAll(async () => {
  for (const opened of [alone, among, ...backends]) await opened?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const KEYS = [...'abcdefgh'];

function request(id: string, more: Partial<SamplingOptions> = {}): GenerateRequest {
  const sampling = { temperature: 1, maxTokens: 40, ignoreEos: true, calculator: true, ...more };
  return { id, context: ['ab'.slice(0, 1 + (id.charCodeAt(0) % 2))], key: `key ${id}`, sampling };
}

async function draw(policy: Policy, requests: readonly GenerateRequest[]): Promise<Map<string, Completion>> {
  const found = new Map<string, Completion>();
  await policy.generate(requests, (finished) => {
    for (const completion of finished) found.set(completion.id, completion);
    return [];
  });
  return found;
}

async function drawOne(one: GenerateRequest): Promise<Completion> {
  return (await draw(alone, [one])).get(one.id)!;
}

const textOf = ({ id: _, logps: __, ...rest }: Completion) => rest;

it('every result is that of the calculator, and only its tokens are forced', async () => {
  const results: string[] = [];
  for (const { text, tokens, logps, forced = [] } of (
    await draw(
      among,
      KEYS.map((key) => request(key)),
    )
  ).values()) {
    const spans = resultSpans(text);
    expect(text.match(/<<(?!1\/3)[^<=]*=(?!$)/g) ?? []).toHaveLength(spans.length);
    results.push(...spans.map(({ start, end }) => text.slice(start, end)).filter((result) => result.endsWith('>>')));
    // One character is one token, `>>` apart.
    const length = spans.reduce((sum, { start, end }) => sum + text.slice(start, end).replace('>>', '>').length, 0);
    expect(forced).toHaveLength(length);
    expect(logps?.flatMap((logp, place) => (logp === null ? [place] : []))).toEqual(forced);
    expect(tokens).toBe(40);
    for (const [, expression, result] of text.matchAll(/<<([^<=]*)=([^<>]*)>>/g))
      if (expression !== '1/3') expect(checkEquation(`${expression}=${result}`).holds).toBe(true);
  }
  expect(results.length).toBeGreaterThan(20);
  expect(new Set(results)).toEqual(new Set(['56>>', '2.25>>', '-2>>']));
});

it('a text is the same with and without neighbours', async () => {
  const together = await draw(
    among,
    KEYS.map((key) => request(key)),
  );
  for (const key of KEYS) expect(textOf(await drawOne(request(key)))).toEqual(textOf(together.get(key)!));
});

it('up to the first result a text is that of the model alone', async () => {
  for (const key of KEYS) {
    const [own, plain] = [await drawOne(request(key)), await drawOne(request(key, { calculator: false }))];
    const first = own.forced?.[0] ?? 40;
    expect(own.tokenIds?.slice(0, first)).toEqual(plain.tokenIds?.slice(0, first));
    expect(plain).not.toHaveProperty('forced');
  }
});

it('wherever a completion has to end, it is the beginning of the longer one', async () => {
  const whole = await drawOne(request('c'));
  for (let maxTokens = 1; maxTokens < 40; maxTokens++) {
    const { tokenIds, finishReason, forced = [] } = await drawOne(request('c', { maxTokens }));
    expect(tokenIds).toEqual(whole.tokenIds?.slice(0, maxTokens));
    expect(finishReason).toBe('length');
    expect(forced).toEqual((whole.forced ?? []).filter((place) => place < maxTokens));
  }
});

it('fills its slot to the end of the context, and no further', async () => {
  for (const { tokens, finishReason } of (
    await draw(
      among,
      KEYS.map((key) => request(key, { maxTokens: 1000 })),
    )
  ).values()) {
    expect(tokens).toBeGreaterThanOrEqual(CONTEXT - 2);
    expect(tokens).toBeLessThan(CONTEXT);
    expect(finishReason).toBe('length');
  }
});

it('a stop string within a result ends the text', async () => {
  const { text, finishReason } = await drawOne(request('c', { stopStrings: ['>>'] }));
  expect(finishReason).toBe('stop');
  expect(text).not.toContain('>>');
});

it('tells the text of a result as it comes', async () => {
  const told = new Map<string, string>();
  const finished = new Map<string, string>();
  await among.generate(
    KEYS.map((key) => request(key)),
    (group) => {
      for (const { id, text } of group) finished.set(id, text);
      return [];
    },
    {
      onText: (drawn) => {
        for (const { id, text } of drawn) told.set(id, (told.get(id) ?? '') + text);
      },
    },
  );
  expect(told).toEqual(finished);
});

it('log-probabilities of the given text leave out the same tokens, and are those of drawing', async () => {
  const completions = [
    ...(
      await draw(
        among,
        KEYS.map((key) => request(key)),
      )
    ).values(),
  ];
  const items = completions.map(({ id, tokenIds }) => ({
    context: request(id).context,
    completion: tokenIds ?? [],
    calculator: true,
  }));
  const found = await alone.logps(items);
  for (const [n, { logps }] of completions.entries()) {
    for (const [place, logp] of (logps ?? []).entries()) {
      const own = found[n]?.[place];
      if (logp === null) expect(own).toBeNull();
      else expect(own).toBeCloseTo(logp, 4);
    }
  }
});
