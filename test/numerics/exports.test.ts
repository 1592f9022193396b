// Models in the forms of other programs -> the same numbers when they are read back.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, ModelExport, TrainOptions } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { type AdapterFiles, readAdapter, writeAdapter } from '../../src/models/files/adapter-files.ts';
import { readGguf, readGgufTensor } from '../../src/models/files/gguf.ts';
import { openModelFiles } from '../../src/models/files/model-files.ts';
import { readSafetensors, readSafetensorsHeader, readTensor } from '../../src/models/files/safetensors.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import type { ModelSource } from '../../src/records.ts';
import { TrainSettings } from '../../src/train-settings.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';
import { relativeError } from '../training-fixtures.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sipf-exports-'));
let backend: Backend;
beforeAll(() => {
  backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') });
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true });
});

const TEXT = 'Tom has 3 bags of 4 apples.\n3*4=<<3*4=12>>12 apples.\nThe answer is 12\n';
let count = 0;

/** Writes `source` in a form, to a place of its own. */
async function exported(source: ModelSource, job: Partial<ModelExport> & Pick<ModelExport, 'to'>): Promise<string> {
  count += 1;
  const out = join(scratch, `${count}${job.to.startsWith('gguf') ? '.gguf' : ''}`);
  await backend.exportModel(source, { out, dtype: 'f32', card: '# A card\n', ...job });
  return out;
}

async function logpsOf(source: ModelSource): Promise<number[]> {
  await using policy = await backend.openPolicy(source);
  const [logps = []] = await policy.logps([{ context: ['Question: '], completion: TEXT }]);
  return logps.filter((logp) => logp !== null);
}

const settings = { rope_parameters: { rope_theta: 10000, rope_type: 'default' } };

describe.each(['models/llama', 'architectures/gemma3-text', 'architectures/phi'])('%s', (from) => {
  const adapter = join(fixtures, from, 'adapter');
  const name = basename(from);
  let model: string;
  beforeAll(async () => {
    const config = name.startsWith('gemma') ? { query_pre_attn_scalar: 8 } : name === 'llama' ? settings : {};
    model = await makeModelFolder(scratch, { from, config });
  });

  it('merged: has the log-probabilities of base and adapter, and says when to stop', async () => {
    const out = await exported({ model, adapter }, { to: 'merged' });
    expect(await logpsOf({ model: out })).toEqual(await logpsOf({ model, adapter }));
    const generation = JSON.parse(readFileSync(join(out, 'generation_config.json'), 'utf8')) as unknown;
    expect(generation).toMatchObject({ eos_token_id: (await loadTokenizer(model)).eosIds });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toBe('# A card\n');
  });

  it('gguf: has their weights, tokens, special tokens and chat template', async () => {
    const file = await exported({ model, adapter }, { to: 'gguf' });
    const merged = await exported({ model, adapter }, { to: 'merged' });
    const expected = await readSafetensors(join(merged, 'model.safetensors'));
    const weights = await (await openModelFiles(file, { cache: scratch })).weights();
    expect([...weights.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [weight, slice] of weights)
      expect(relativeError((await readTensor(weight, slice)).data, expected.get(weight)?.data ?? [])).toBeLessThan(
        1e-6,
      );
    const [own, original] = [await loadTokenizer(file), await loadTokenizer(model)];
    expect(own.encode(TEXT)).toEqual(original.encode(TEXT));
    for (const key of ['bosId', 'eosIds', 'padId', 'leadingIds', 'chatTemplate'] as const)
      expect(own[key], key).toEqual(original[key]);
    expect(relativeError(await logpsOf({ model: file }), await logpsOf({ model, adapter }))).toBeLessThan(1e-4);
  });

  it.each([false, true])('gguf-lora: base + alpha / rank B A is the merged file (rsLoRA: %s)', async (useRslora) => {
    const own = join(scratch, `${name}-${useRslora}`);
    await writeAdapter(own, { ...(await readAdapter(adapter)), useRslora });
    const [lora, base, merged] = await Promise.all([
      exported({ model, adapter: own }, { to: 'gguf-lora' }).then(tensorsIn),
      exported({ model }, { to: 'gguf' }).then(tensorsIn),
      exported({ model, adapter: own }, { to: 'gguf' }).then(tensorsIn),
    ]);
    const layers = [...lora.tensors.keys()].filter((key) => key.endsWith('.lora_a')).map((key) => key.slice(0, -7));
    expect(layers.length).toBeGreaterThan(20);
    const alpha = Number(lora.metadata.get('adapter.lora.alpha'));
    for (const layer of layers) {
      const [a, b] = [lora.tensors.get(`${layer}.lora_a`), lora.tensors.get(`${layer}.lora_b`)].map((found) => found!);
      const sum = added(base.tensors.get(layer)!, a!, b!, alpha / a!.shape[0]!);
      expect(relativeError(sum, merged.tensors.get(layer)!.data), layer).toBeLessThan(1e-5);
    }
  });

  it('peft: keeps the factors, and names the base as the user does', async () => {
    const out = await exported({ model, adapter }, { to: 'peft', base: 'owner/base' });
    const expected: AdapterFiles = { ...(await readAdapter(adapter)), baseModel: 'owner/base' };
    expect(await readAdapter(out)).toEqual(expected);
    await expect(exported({ model, adapter }, { to: 'peft' })).rejects.toThrow('Expected --base');
  });
});

interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

async function tensorsIn(file: string) {
  const { metadata, tensors } = await readGguf(file);
  const stored = new Map<string, Stored>();
  for (const [name, tensor] of tensors) stored.set(name, { shape: tensor.shape, data: await readGgufTensor(tensor) });
  return { metadata, tensors: stored };
}

/** `W + scale B A`, element by element. */
function added({ data, shape }: Stored, a: Stored, b: Stored, scale: number): number[] {
  const [, width = 0] = shape;
  const rank = a.shape[0] as number;
  return Array.from(data, (value, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    let product = 0;
    for (let r = 0; r < rank; r++) product += Number(b.data[row * rank + r]) * Number(a.data[r * width + column]);
    return value + scale * product;
  });
}

describe('prm-lm', () => {
  const path = {
    prompt: 'Question: how many?\nAnswer:\n',
    steps: ['3*4=12 apples.\n', '12-2=10 left\n', 'The answer is 10\n'],
  };
  it.each([
    ['the output head is the embedding', { tie_word_embeddings: true }],
    ['it is not', { tie_word_embeddings: false }],
  ])('softmax(good, bad) at the tags are the scores of the steps, where %s', async (_what, config) => {
    const model = await makeModelFolder(scratch, {
      from: 'prm',
      config,
      weights(tensors) {
        tensors.get('score.bias')?.data.fill(0.5);
        const embedding = tensors.get('model.embed_tokens.weight')!;
        if (config.tie_word_embeddings) tensors.delete('lm_head.weight');
        else tensors.set('lm_head.weight', { ...embedding, data: embedding.data.map((value) => 2 * value) });
      },
    });
    await compareScores({ model });
  });

  it.each([
    ['full', null],
    ['LoRA', { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' as const }],
  ])('so they are of a PRM that was trained without a bias (%s)', async (kind, lora) => {
    const model = await makeModelFolder(scratch);
    const options: TrainOptions = {
      ...TrainSettings.parse({ lora, learningRate: 0.01, batchSize: 1 }),
      objective: { kind: 'prm', headBias: false },
      maxSteps: 3,
      seed: 1,
      shuffle: false,
    };
    const examples = [{ kind: 'prm' as const, ...path, targets: [1, 1, 0] }];
    const { source } = await backend.train(
      { source: { model }, examples, options, out: join(scratch, kind) },
      () => {},
    );
    await compareScores(source);
  });

  it('a PRM trained without a bias does not read the one that its start has', async () => {
    const losses = await Promise.all(
      [0, 5].map(async (bias) => {
        const model = await makeModelFolder(scratch, {
          from: 'prm',
          weights: (tensors) => tensors.get('score.bias')?.data.set([0, bias]),
        });
        const options: TrainOptions = {
          ...TrainSettings.parse({ lora: { rank: 2, alpha: 4, targets: 'all-linear' }, batchSize: 1 }),
          objective: { kind: 'prm', headBias: false },
          maxSteps: 1,
          seed: 1,
          shuffle: false,
        };
        const examples = [{ kind: 'prm' as const, ...path, targets: [1, 1, 0] }];
        const job = { source: { model }, examples, options, out: join(scratch, `bias-${bias}`) };
        const { steps } = await backend.train(job, () => {});
        return steps[0]?.loss;
      }),
    );
    expect(losses[0]).toBeGreaterThan(0);
    expect(losses[1]).toBe(losses[0]);
  });

  it('so they are where the tokenizer joins a line feed with the marks before it, as those of Llama 3 and Qwen', async () => {
    const model = await makeModelFolder(scratch, {
      from: 'prm',
      files: { 'tokenizer.json': joiningTokenizer() },
      weights: (tensors) => tensors.get('score.bias')?.data.fill(0.5),
    });
    const tokenizer = await loadTokenizer(model);
    const [end = 0] = tokenizer.encodeContinuation('.\n').slice(-1);
    expect(tokenizer.token(end)).toBe('.Ċ');
    await compareScores({ model });
  });

  /** The fixtures' tokenizer with Llama 3's rule for line feeds, and a token that it gives. */
  function joiningTokenizer(): unknown {
    const json = JSON.parse(readFileSync(join(fixtures, 'tokenizer/tokenizer.json'), 'utf8')) as {
      model: { vocab: Record<string, number>; merges: unknown[] };
    };
    const { vocab, merges } = json.model;
    const [[last, id]] = Object.entries(vocab).sort((a, b) => b[1] - a[1]) as [[string, number]];
    const { [last]: _, ...others } = vocab;
    const split = {
      type: 'Split',
      pattern: { Regex: '[^\\s\\p{L}\\p{N}]+[\\r\\n]*' },
      behavior: 'Isolated',
      invert: false,
    };
    const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
    return {
      ...json,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split, bytes] },
      model: { ...json.model, vocab: { ...others, '.Ċ': id }, merges: [['.', 'Ċ'], ...merges.slice(0, -1)] },
    };
  }

  /** Ours, and those that a causal LM's logits at the tags give. */
  async function compareScores(source: ModelSource): Promise<void> {
    await using prm = await backend.openPrm(source);
    const [scores = []] = await prm.score([path]);
    const out = await exported(source, { to: 'prm-lm' });
    const { step_tag_id: tag, returned_token_ids: ids } = JSON.parse(
      readFileSync(join(out, 'step_scores.json'), 'utf8'),
    ) as { step_tag_id: number; returned_token_ids: [number, number] };
    await using policy = await backend.openPolicy({ model: out });
    const read: number[] = [];
    for (const n of path.steps.keys()) {
      const text = `${path.prompt}${path.steps
        .slice(0, n + 1)
        .join('')
        .replaceAll('\n', '<|step|>')}`;
      const [context = []] = await policy.encode([[text]]);
      expect(context.at(-1)).toBe(tag);
      const items = ids.map((id) => ({ context: [context], completion: [id] }));
      const [good, bad] = (await policy.logps(items)).map(([logp]) => Math.exp(Number(logp)));
      read.push(good! / (good! + bad!));
    }
    expect(relativeError(read, scores)).toBeLessThan(1e-4);
  }

  it('a head with a bias, and a policy, are refused by name', async () => {
    const model = await makeModelFolder(scratch, {
      from: 'prm',
      weights: (tensors) => tensors.get('score.bias')?.data.fill(0.5),
    });
    const biased = await makeModelFolder(scratch, {
      from: 'prm',
      weights: (tensors) => tensors.get('score.bias')?.data.set([0, 0.1]),
    });
    await expect(exported({ model: biased }, { to: 'prm-lm' })).rejects.toThrow(/score.bias.*headBias false/);
    await expect(exported({ model }, { to: 'gguf' })).rejects.toThrow('Use --to prm-lm');
    const policy = await makeModelFolder(scratch);
    await expect(exported({ model: policy }, { to: 'prm-lm' })).rejects.toThrow('score.weight');
  });
});

it.each([
  ['f16', undefined, 'float16', 2 ** -11],
  ['bf16', undefined, 'bfloat16', 2 ** -8],
  [undefined, 'bfloat16', 'bfloat16', 2 ** -8],
] as const)(
  'merged: weights as they are asked for (%s), or as the model states (%s)',
  async (dtype, stated, found, most) => {
    const adapter = join(fixtures, 'models/llama/adapter');
    const config = stated === undefined ? settings : { ...settings, dtype: stated };
    const model = await makeModelFolder(scratch, { from: 'models/llama', config });
    const [exact, rounded] = await Promise.all(
      [
        await exported({ model, adapter }, { to: 'merged', dtype: 'f32' }),
        await exported({ model, adapter }, { to: 'merged', dtype }),
      ].map((folder) => readSafetensors(join(folder, 'model.safetensors'))),
    );
    const folder = join(scratch, String(count));
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({ dtype: found });
    const types = [...(await readSafetensorsHeader(join(folder, 'model.safetensors'))).values()].map(
      (entry) => entry.dtype,
    );
    expect(new Set(types)).toEqual(new Set([found === 'float16' ? 'F16' : 'BF16']));
    for (const [name, { data }] of rounded!) {
      const far = exact!
        .get(name)!
        .data.filter((value, i) => Math.abs(data[i]! - value) > most * Math.abs(value) + 2 ** -25);
      expect(far.length, name).toBe(0);
    }
  },
);

it('refuses number types that a form does not have', async () => {
  const model = await makeModelFolder(scratch, { from: 'models/llama', config: settings });
  const adapter = join(fixtures, 'models/llama/adapter');
  await expect(exported({ model }, { to: 'merged', dtype: 'q8_0' })).rejects.toThrow('Expected --dtype f32, f16');
  await expect(exported({ model, adapter }, { to: 'peft', dtype: 'f16' })).rejects.toThrow('no --dtype but f32');
});

it.each<[string, Record<string, unknown>, string]>([
  ['gemma2', {}, 'the scale or soft-cap of attention'],
  ['smollm3', { no_rope_layers: [1, 1, 0, 1, 1] }, 'which layers have RoPE'],
  ['smollm3', { no_rope_layers: null, no_rope_layer_interval: 2 }, 'which layers have RoPE'],
])('leaves nothing behind where GGUF files cannot hold the model (%s %j)', async (name, config, what) => {
  const model = await makeModelFolder(scratch, { from: `architectures/${name}`, config });
  const out = join(scratch, 'none.gguf');
  await expect(exported({ model }, { to: 'gguf', out })).rejects.toThrow(`got another value of ${what} in ${model}`);
  expect(existsSync(out)).toBe(false);
});
