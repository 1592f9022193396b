// Folders of test/fixtures/architectures -> transformers' and PEFT's numbers, in every way of use.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, GenerateRequest, TokenLogps } from '../../src/backend.ts';
import { generate } from '../../src/inference/generate.ts';
import { completionLogps } from '../../src/inference/logps.ts';
import type { ModelConfig } from '../../src/models/architectures/architecture.ts';
import { ARCHITECTURES, architectureOf } from '../../src/models/architectures/architectures.ts';
import type { AttentionOptions } from '../../src/models/architectures/attention.ts';
import { decoderOf } from '../../src/models/architectures/form.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { type GgufModelToWrite, writeGgufModel } from '../../src/models/files/gguf-model-writer.ts';
import { openModelFiles } from '../../src/models/files/model-files.ts';
import { readSafetensors, readTensor, type Tensor } from '../../src/models/files/safetensors.ts';
import { declaredWeights } from '../../src/models/weights/declared-weights.ts';
import { initModelFolder } from '../../src/models/weights/init-model.ts';
import {
  ARCHITECTURE_FIXTURES,
  architectureFixture,
  logitsOf,
  type Row,
  readReference,
  rowOf,
} from '../architecture-fixture.ts';
import { ggufOf } from '../fixtures/gguf-model.ts';
import { interpretGreedy, interpretPass } from '../reference/decoder.ts';
import { isFull } from '../tier.ts';
import { openTiny, type TinyModel } from '../tiny-model.ts';
import { engine, gradientsOf, readJson, relativeError, rowEach, tokenExample } from '../training-fixtures.ts';

/** What transformers and PEFT computed agrees within this share of the largest number. */
const TOLERANCE = 1e-4;
/** The references are float32 themselves: so far they are from the truth, which leaves most of the tolerance to what is tested. */
const REFERENCE = 3e-5;
/** The fixtures' end token, which their greedy continuations never choose. */
const EOS = 2;
/** Folders that `npm test` interprets, too: the interpreter takes seconds for each. */
const INTERPRETED = ['smollm3', 'olmo2'];
/** Ways to the same number here. */
const SAME = 1e-5;

const scratch = mkdtempSync(join(tmpdir(), 'sipf-architectures-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('every architecture has a folder', () => {
  const types = ARCHITECTURE_FIXTURES.map((name) => architectureFixture(name).config['model_type']);
  expect([...new Set(types)].sort()).toEqual(ARCHITECTURES.map(({ modelType }) => modelType).sort());
});

describe.each(ARCHITECTURE_FIXTURES)('%s', (name) => {
  const { folder, config, reference } = architectureFixture(name);
  let tensors: Map<string, Tensor>;
  let rows: readonly Row[];
  let tiny: TinyModel;
  beforeAll(async () => {
    ({ tensors, rows } = await readReference(name));
    tiny = await openTiny(engine, `architectures/${name}`);
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  const drawn = (logps: TokenLogps | null = []): number[] => (logps ?? []).filter((logp) => logp !== null);

  const logpsOf = async (model: TinyModel, given: readonly (readonly number[])[], prefix = 1) => {
    const items = given.map((ids) => ({ context: [ids.slice(0, prefix)], completion: ids.slice(prefix) }));
    return (await completionLogps(model, items)).map(drawn);
  };

  function compareLogps(found: readonly (readonly number[])[], key: string): void {
    for (const [row, { ids }] of rows.entries()) {
      const [, ...expected] = rowOf(tensors.get(key) as Tensor, row, ids.length);
      expect(relativeError(found[row] ?? [], expected)).toBeLessThan(TOLERANCE);
    }
  }

  it('asks for the weights that its files have', () => {
    const { shapes } = declaredWeights(tiny.weights.decoder);
    const stored = [...tiny.weights.values.slices].map(([weight, { shape }]) => [weight, shape]);
    expect(Object.fromEntries(shapes)).toEqual(Object.fromEntries(stored));
  });

  it('has the logits of transformers', async () => {
    const found = await logitsOf(engine, tiny.weights, rows);
    for (const [row, logits] of found.entries())
      expect(relativeError(logits, rowOf(tensors.get('logits') as Tensor, row, rows[row]?.ids.length))).toBeLessThan(
        TOLERANCE,
      );
  });

  it('has the log-probabilities of transformers, each row alone and rows behind one prefix', async () => {
    const found = await logpsOf(
      tiny,
      rows.map(({ ids }) => ids),
    );
    compareLogps(found, 'token_logps');
    const [long = [], other = []] = rows.map(({ ids }) => ids);
    const prefix = long.slice(0, 12);
    const branches = [long, [...prefix, ...other], [...prefix, ...long.slice(20)]];
    const together = await logpsOf(tiny, branches, prefix.length);
    for (const [n, branch] of branches.entries()) {
      const [alone = []] = await logpsOf(tiny, [branch], prefix.length);
      expect(relativeError(together[n] ?? [], alone)).toBeLessThan(SAME);
    }
  });

  it('has the same log-probabilities of a short suffix behind each beginning of a path, in one row and alone', async () => {
    const [path = [], other = []] = rows.map(({ ids }) => ids);
    const items = path.map((_, n) => ({ context: [path.slice(0, n + 1)], completion: other.slice(n % 3, 4) }));
    const together = await completionLogps(tiny, items);
    for (const [n, item] of items.entries()) {
      const [alone = []] = await completionLogps(tiny, [item]);
      expect(relativeError(drawn(together[n]), drawn(alone))).toBeLessThan(SAME);
    }
  });

  it('with its adapter merged has the log-probabilities of PEFT', async () => {
    await using adapted = await openTiny(engine, `architectures/${name}`, { adapter: `architectures/${name}/adapter` });
    const found = await logpsOf(
      adapted,
      rows.map(({ ids }) => ids),
    );
    compareLogps(found, 'adapter.token_logps');
  });

  it('continues greedily with the cache as transformers does, alone and forked among others', async () => {
    const { greedy_prompt: prompt, greedy_continuation: expected } = reference;
    expect(new Set(expected).size).toBeGreaterThan(2);
    const own = request('own', prompt);
    const alone = await completions(tiny, [own], 1);
    expect(alone.get('own')).toMatchObject({ tokenIds: expected, finishReason: 'length' });
    const [again = []] = await logpsOf(tiny, [[...prompt, ...expected]], prompt.length);
    expect(relativeError(drawn(alone.get('own')?.logps), again)).toBeLessThan(TOLERANCE);
    const [row = []] = rows.map(({ ids }) => ids);
    const others = [request('a', row), own, request('b', [...prompt, 7, 8]), request('c', row.slice(0, 3))];
    const among = await completions(tiny, others, 3);
    expect(among.get('own')?.tokenIds).toEqual(expected);
    expect(relativeError(drawn(among.get('own')?.logps), drawn(alone.get('own')?.logps))).toBeLessThan(TOLERANCE);
  });

  describe('gradients of the completion loss', () => {
    const objective = { kind: 'sft', scope: 'completion' } as const;
    const lora = { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' } as const;
    const adapter = join(folder, 'adapter');
    const examples = () =>
      rows.map(({ ids, start }, n) => tokenExample(ids.slice(0, start), [ids.slice(start)], [], n));

    it('all weights, in rows of their own and packed into one', async () => {
      await using opened = await gradientsOf({ model: folder, objective });
      const { loss, gradients } = await opened.run([rowEach(examples(), 40)]);
      expect(Math.abs(loss / reference.completion_loss - 1)).toBeLessThan(SAME);
      compare(gradients, 'grad.');
      let offset = 0;
      const placements = examples().map((example) => {
        const place = { example, row: 0, offset };
        offset += example.prompt.length + (example.branches[0]?.length ?? 0);
        return place;
      });
      const packed = await opened.run([{ batch: 1, seq: 96, placements }]);
      for (const [weight, gradient] of packed.gradients)
        expect(relativeError(gradient, gradients.get(weight) ?? []), weight).toBeLessThan(TOLERANCE);
    });

    it('an adapter', async () => {
      await using opened = await gradientsOf({ model: folder, adapter, objective, lora });
      const { loss, gradients } = await opened.run([rowEach(examples(), 40)]);
      expect(Math.abs(loss / reference.adapter_completion_loss - 1)).toBeLessThan(SAME);
      compare(gradients, 'adapter.grad.base_model.model.');
    });

    it('of layers that the model has not: refused with those that it has', async () => {
      const targets = ['q_proj', 'no_such_layer'];
      await expect(gradientsOf({ model: folder, objective, lora: { ...lora, targets } })).rejects.toThrow(
        /among q_proj, k_proj, v_proj, .*, got "no_such_layer"/,
      );
    });

    it.each([
      ['an adapter below new factors', { ...lora, rank: 3 }],
      ['an adapter merged for full training', null],
    ])('%s: the same loss at the start', async (_what, options) => {
      await using opened = await gradientsOf({ model: folder, adapter, objective, lora: options });
      const { loss } = await opened.run([rowEach(examples(), 40)]);
      expect(Math.abs(loss / reference.adapter_completion_loss - 1)).toBeLessThan(SAME);
    });

    function compare(found: ReadonlyMap<string, Float32Array>, prefix: string): void {
      const expected = [...tensors].filter(([key]) => key.startsWith(prefix));
      expect(found.size).toBe(expected.length);
      expect(expected.length).toBeGreaterThan(30);
      expect(expected.filter(([, { data }]) => data.every((value) => value === 0))).toEqual([]);
      const errors = expected.map(([key, { data }]) => {
        return [key, relativeError(found.get(key.slice(prefix.length)) ?? [], data)] as const;
      });
      expect(errors.filter(([, error]) => !(error <= TOLERANCE))).toEqual([]);
    }
  });

  describe.runIf(isFull || INTERPRETED.includes(name))('on the float64 interpreter', () => {
    const close = (found: ArrayLike<number>, expected: ArrayLike<number>, what: string) =>
      expect(relativeError(found, expected), what).toBeLessThan(REFERENCE);

    function compare(found: ReturnType<typeof interpretPass>, prefix: string, loss: number): void {
      compareLogps(
        found.logps.map((logps) => [...logps]),
        `${prefix}token_logps`,
      );
      expect(Math.abs(found.loss / loss - 1)).toBeLessThan(SAME);
      const grad = prefix === '' ? 'grad.' : `${prefix}grad.base_model.model.`;
      const expected = [...tensors].filter(([key]) => key.startsWith(grad));
      expect(found.gradients.size).toBe(expected.length);
      for (const [key, { data }] of expected) close(found.gradients.get(key.slice(grad.length)) ?? [], data, key);
    }

    it('logits, log-probabilities and all gradients', async () => {
      const values = await readSafetensors(join(folder, 'model.safetensors'));
      const found = interpretPass(tiny.weights.decoder, { values }, rows);
      for (const [row, logits] of found.logits.entries())
        close(logits, rowOf(tensors.get('logits') as Tensor, row, rows[row]?.ids.length), 'logits');
      compare(found, '', reference.completion_loss);
    });

    it('log-probabilities and gradients of the adapter', async () => {
      const { rank, alpha, tensors: factors } = await readAdapter(join(folder, 'adapter'));
      const values = new Map<string, Tensor>();
      for (const [module, { a, b }] of factors) {
        values.set(`${module}.lora_A.weight`, { data: a, shape: [rank, a.length / rank] });
        values.set(`${module}.lora_B.weight`, { data: b, shape: [b.length / rank, rank] });
      }
      const adapter = { rank, scale: alpha / rank, frozen: tiny.weights.values.slices };
      const found = interpretPass(tiny.weights.decoder, { values, adapter }, rows);
      compare(found, 'adapter.', reference.adapter_completion_loss);
    });

    it('continues greedily with a cache', () => {
      const { greedy_prompt: prompt, greedy_continuation: expected } = reference;
      const model = { decoder: tiny.weights.decoder, weights: tiny.weights.values.slices };
      expect(interpretGreedy(model, prompt, expected.length, EOS)).toEqual(expected);
    });
  });

  it.each(hasFused(config) ? [false, true] : [false])(
    'is the same model out of a GGUF file (fused: %s)',
    async (fused) => {
      const file = join(scratch, `${name}-${fused}.gguf`);
      writeFileSync(file, await ggufOf(folder, { fused }));
      const files = await openModelFiles(file, { cache: scratch });
      const { config: sizes, attention } = decoderOf(architectureOf(files.config), files.config);
      const { ropes, epsilon, ...expected } = tiny.weights.decoder.config;
      expect(sizes).toMatchObject(expected);
      expect(sizes.epsilon).toBeCloseTo(epsilon, 12);
      const own = ({ softcap, rope }: AttentionOptions) => ({ softcap, rope });
      expect(attention.map(own)).toEqual(tiny.weights.decoder.attention.map(own));
      for (const [n, table] of ropes.entries()) expect(relativeError(sizes.ropes[n] ?? [], table)).toBeLessThan(1e-6);
      const weights = await files.weights();
      const original = await readSafetensors(join(folder, 'model.safetensors'));
      expect([...weights.keys()].sort()).toEqual([...original.keys()].sort());
      for (const [weight, slice] of weights) {
        const { data, shape } = await readTensor(weight, slice);
        expect(shape).toEqual(original.get(weight)?.shape);
        expect(relativeError(data, original.get(weight)?.data ?? []), weight).toBeLessThan(1e-6);
      }
    },
  );

  it.each(['f32', 'f16', 'q8_0'] as const)(
    'comes back exactly from a GGUF file that is written here (%s)',
    async (dtype) => {
      const file = join(scratch, `${name}-${dtype}.gguf`);
      const original = await readSafetensors(join(folder, 'model.safetensors'));
      await writeGgufModel(file, toGguf(original, asLlamaCpp(config)), dtype);
      const files = await openModelFiles(file, { cache: scratch });
      const weights = await files.weights();
      expect([...weights.keys()].sort()).toEqual([...original.keys()].sort());
      const { offset } = { offset: String(config['model_type']).startsWith('gemma') ? 1 : 0 };
      for (const [weight, slice] of weights) {
        const [{ data }, given] = [await readTensor(weight, slice), original.get(weight)?.data ?? new Float32Array()];
        const exact = dtype === 'f32' || slice.shape.length < 2;
        // Gemma's norms are used as 1 + weight, and stored so.
        const used = (values: Float32Array) =>
          weight.endsWith('norm.weight') ? values.map((v) => v + offset) : values;
        if (exact) expect(used(data), weight).toEqual(used(given));
        else expect(relativeError(data, given), weight).toBeLessThan(dtype === 'f16' ? 2 ** -11 : 1 / 127);
      }
      const once = readFileSync(file);
      const again = new Map<string, Tensor>();
      for (const [weight, slice] of weights) again.set(weight, await readTensor(weight, slice));
      await writeGgufModel(file, toGguf(again, files.config), dtype);
      expect(readFileSync(file).equals(once)).toBe(true);
    },
  );

  const toGguf = (weights: ReadonlyMap<string, Tensor>, of: ModelConfig): GgufModelToWrite => ({
    name,
    architecture: architectureOf(of),
    decoder: decoderOf(architectureOf(of), of),
    config: of,
    configFile: 'config.json',
    weights: [...weights].map(([weight, tensor]) => ({ name: weight, ...tensor })),
    vocabulary: new Map(),
  });

  it('starts from nothing with norms that change nothing', async () => {
    const to = join(scratch, `${name}-new`);
    const tokenizer = readJson<object>('tokenizer/tokenizer.json');
    const own = { ...config, vocab_size: 512, initializer_range: 0.1 };
    await initModelFolder(to, { config: own, tokenizer, seed: 1 }, {});
    const { config: written } = await openModelFiles(to, { cache: scratch });
    expect(written['architectures']).toEqual(config['architectures']);
    const found = await readSafetensors(join(to, 'model.safetensors'));
    const shapes = [...found].map(([weight, { shape }]) => [weight, shape] as const);
    expect(new Map(shapes)).toEqual(declaredWeights(decoderOf(architectureOf(own), own)).shapes);
    const norms = [...found].filter(([weight]) => weight.endsWith('norm.weight'));
    expect(norms.length).toBeGreaterThan(4);
    for (const [weight, { data }] of norms)
      expect(new Set(data), weight).toEqual(new Set([String(config['model_type']).startsWith('gemma') ? 0 : 1]));
    expect(existsSync(join(to, 'tokenizer.json'))).toBe(true);
  });
});

/** The configuration with the scale of attention that llama.cpp takes from the sizes. */
function asLlamaCpp(config: ModelConfig): ModelConfig {
  return 'query_pre_attn_scalar' in config ? { ...config, query_pre_attn_scalar: config['head_dim'] } : config;
}

/** Whether GGUF files of the architecture may hold several weights below each other. */
function hasFused(config: ModelConfig): boolean {
  return Object.values(architectureOf(config).gguf.names).some((names) => Array.isArray(names));
}

function request(id: string, context: readonly number[]): GenerateRequest {
  return { id, context: [context], key: id, sampling: { temperature: 0, maxTokens: 32, ignoreEos: true } };
}

async function completions(model: TinyModel, requests: readonly GenerateRequest[], slots: number) {
  const found = new Map<string, Completion>();
  await generate({ ...model, cache: model.cache(slots) }, requests, (group) => {
    for (const completion of group) found.set(completion.id, completion);
    return [];
  });
  return found;
}
