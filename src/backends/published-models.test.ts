// Model folders as they are published -> the tokens that transformers gives, and warnings.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FolderChanges, makeModelFolder, safetensorsBytes } from '../../test/model-folder.ts';
import { fixtures } from '../../test/tiny-model.ts';
import type { Completion, TrainOptions } from '../backend.ts';
import { tellingWarnings } from '../cli/engine.ts';
import { Engine } from '../engine/runtime/session.ts';
import { readSafetensors, type Tensor } from '../models/files/safetensors.ts';
import type { ModelSource } from '../records.ts';
import { train } from '../training/train.ts';
import { createInProcessBackend } from './local/in-process.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-published-'));
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** What the fixtures' Llama writes after "a b c". */
const GREEDY = [480, 90, 384, 131, 162, 90];

async function write(source: ModelSource): Promise<Completion & { readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  const backend = tellingWarnings(
    createInProcessBackend({ provider: 'cpu', cache: join(root, 'cache') }, engine),
    (text) => warnings.push(text),
  );
  await using policy = await backend.openPolicy(source);
  const completions: Completion[] = [];
  const request = { id: 'a', context: ['a b c'], key: 'a', sampling: { temperature: 0, maxTokens: 6 } };
  await policy.generate([request], (finished) => {
    completions.push(...finished);
    return [];
  });
  return { ...(completions[0] as Completion), warnings };
}

const folder = (changes: FolderChanges) => makeModelFolder(root, changes);

describe('end tokens', () => {
  it.each<[string, FolderChanges, number]>([
    ['a list in config.json', { config: { eos_token_id: [2, 384] } }, 3],
    [
      'one in config.json, another in generation_config.json',
      { config: { eos_token_id: 90 }, files: { 'generation_config.json': { eos_token_id: 384 } } },
      2,
    ],
    [
      'generation_config.json alone',
      { config: { eos_token_id: null }, files: { 'generation_config.json': { eos_token_id: [384] } } },
      3,
    ],
    [
      'config.json beside a null in generation_config.json',
      { config: { eos_token_id: 384 }, files: { 'generation_config.json': { eos_token_id: null } } },
      3,
    ],
    [
      'an object in tokenizer_config.json',
      { files: { 'tokenizer_config.json': { eos_token: { content: 'x', special: true } } } },
      2,
    ],
    [
      'special_tokens_map.json',
      { files: { 'tokenizer_config.json': {}, 'special_tokens_map.json': { eos_token: '</s>' } } },
      6,
    ],
    ['none anywhere', { config: { eos_token_id: undefined }, files: { 'tokenizer_config.json': {} } }, 6],
    ['-1 for none', { config: { eos_token_id: -1 } }, 6],
  ])('%s', async (_name, changes, length) => {
    const { tokenIds, finishReason, warnings } = await write({ model: await folder(changes) });
    expect(tokenIds).toEqual(GREEDY.slice(0, length));
    expect(finishReason).toBe(length < 6 ? 'stop' : 'length');
    expect(warnings).toEqual([]);
  });

  it('one that the model cannot write is left out, with a warning', async () => {
    const { tokenIds, warnings } = await write({ model: await folder({ config: { eos_token_id: [9999, 384] } }) });
    expect(tokenIds).toEqual(GREEDY.slice(0, 3));
    expect(warnings).toEqual([expect.stringContaining('eos_token_id 9999')]);
    const named = await write({
      model: await folder({ files: { 'tokenizer_config.json': { eos_token: '<|gone|>' } } }),
    });
    expect(named.warnings).toEqual([expect.stringContaining('<|gone|>')]);
  });

  it.each(['2', ['2'], [[2]], true, { id: 2 }, 2.5])('%j is refused', async (value) => {
    const model = await folder({ config: { eos_token_id: value } });
    await expect(write({ model })).rejects.toThrow(
      /Expected eos_token_id in .*config\.json to be a token id or a list/,
    );
  });
});

const HEAD = 'lm_head.weight';
const EMBEDDING = 'model.embed_tokens.weight';
const clone = ({ shape, data }: Tensor): Tensor => ({ shape, data: data.slice() });

describe('a tied model that stores a head', () => {
  it('uses another head, and says so', async () => {
    const { tokenIds, warnings } = await write({ model: await folder({ config: { tie_word_embeddings: true } }) });
    expect(tokenIds).toEqual(GREEDY);
    expect(warnings).toEqual([expect.stringMatching(/tie_word_embeddings true.*another lm_head\.weight/)]);
  });

  it('has its embedding where the head is the same, or the only one', async () => {
    const tied = { from: 'models/llama-tied' };
    const plain = await write({ model: await folder(tied) });
    const equal = await folder({ ...tied, weights: (all) => all.set(HEAD, clone(all.get(EMBEDDING) as Tensor)) });
    expect(await write({ model: equal })).toEqual(plain);
    const only = await folder({
      ...tied,
      weights: (all) => {
        all.set(HEAD, all.get(EMBEDDING) as Tensor);
        all.delete(EMBEDDING);
      },
    });
    expect(await write({ model: only })).toEqual(plain);
    expect(plain.warnings).toEqual([]);
  });

  it('notices a head that differs in its last value', async () => {
    const model = await folder({
      from: 'models/llama-tied',
      weights(all) {
        const head = clone(all.get(EMBEDDING) as Tensor);
        head.data[head.data.length - 1] = 7;
        all.set(HEAD, head);
      },
    });
    expect((await write({ model })).warnings).toHaveLength(1);
  });

  it('keeps its own head through training, and what is saved says so', async () => {
    const model = await folder({ config: { tie_word_embeddings: true } });
    for (const lora of [null, { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj'] }]) {
      const out = join(root, `trained-${lora === null}`);
      const options = { ...TRAIN, lora };
      const { source } = await train(
        engine,
        { source: { model }, examples: EXAMPLES, options, out },
        { cache: join(root, 'cache') },
      );
      const { warnings } = await write(source);
      expect(warnings).toHaveLength(lora === null ? 0 : 1);
      if (lora !== null) continue;
      expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
        tie_word_embeddings: false,
      });
      expect((await readSafetensors(join(out, 'model.safetensors'))).has(HEAD)).toBe(true);
    }
  });
});

const EXAMPLES = [{ kind: 'sft', prompt: 'a b', completion: [' c'] } as const];
const TRAIN: TrainOptions = {
  objective: { kind: 'sft', scope: 'completion' },
  lora: null,
  learningRate: 1e-3,
  schedule: 'constant',
  warmup: 0,
  weightDecay: 0,
  clip: null,
  betas: [0.9, 0.999],
  eps: 1e-8,
  batchSize: 1,
  epochs: 1,
  tokensPerPass: 64,
  activationsGiB: 8,
  maxLength: 64,
  seed: 0,
  shuffle: false,
  checkpointEverySteps: 10,
};

describe('RoPE settings', () => {
  const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  it('in either place give the same', async () => {
    const beside = await write({
      model: await folder({ config: { rope_parameters: llama3, original_max_position_embeddings: 64 } }),
    });
    const within = await write({
      model: await folder({ config: { rope_parameters: { ...llama3, original_max_position_embeddings: 64 } } }),
    });
    expect(beside).toEqual(within);
    await expect(folder({ config: { rope_parameters: llama3 } }).then((model) => write({ model }))).rejects.toThrow(
      'original_max_position_embeddings',
    );
  });
});

describe('NaN from a model', () => {
  it('is blamed on the weight that holds it', async () => {
    const model = await folder({
      weights: (all) => (all.get('model.layers.2.mlp.up_proj.weight') as Tensor).data.fill(Number.NaN, 5, 6),
    });
    await expect(write({ model })).rejects.toThrow(/model\.layers\.2\.mlp\.up_proj\.weight in .* holds NaN/);
  });

  it('is blamed on the file that was given where the weights are read from a copy of ours', async () => {
    const model = await folder({});
    const weights = await readSafetensors(join(model, 'model.safetensors'));
    const bytes = ({ data }: Tensor) =>
      Buffer.from(Uint16Array.from(new Uint32Array(data.buffer), (bits) => bits >>> 16).buffer);
    const stored = [...weights].map(([name, tensor]) => [name, ['BF16', tensor.shape, bytes(tensor)]] as const);
    stored.find(([name]) => name === 'model.norm.weight')?.[1][2].writeUInt16LE(0x7fc0);
    const file = join(model, 'model.safetensors');
    const header = safetensorsBytes(
      Object.fromEntries(stored.map(([name, [dtype, shape, { length }]]) => [name, [dtype, [...shape], length]])),
    );
    const data = Buffer.concat(stored.map(([, [, , part]]) => part));
    await writeFile(file, Buffer.concat([header.subarray(0, header.length - data.length), data]));
    await expect(write({ model })).rejects.toThrow(`model.norm.weight in ${file} holds NaN`);
    const adapter = join(fixtures, 'models/llama/adapter');
    await expect(write({ model, adapter })).rejects.toThrow(`model.norm.weight in ${file} holds NaN`);
  });

  it('else on the settings, by their values', async () => {
    const model = await folder({
      config: { rms_norm_eps: 0 },
      weights: (all) => (all.get(EMBEDDING) as Tensor).data.fill(0),
    });
    await expect(write({ model })).rejects.toThrow(/weights are finite.*rms_norm_eps 0.*Compare config\.json/);
  });

  it('or on a weight that overflows', async () => {
    const model = await folder({ weights: (all) => (all.get('model.norm.weight') as Tensor).data.fill(3e38) });
    await expect(write({ model })).rejects.toThrow(/model\.norm\.weight holds 3\.0\d*e\+38, which overflows/);
  });

  it('in a reward model and in training, too', async () => {
    const weights = (all: Map<string, Tensor>) => (all.get('model.norm.weight') as Tensor).data.fill(Number.NaN);
    const prm = await folder({ from: 'prm', weights });
    const backend = createInProcessBackend({ provider: 'cpu', cache: join(root, 'cache') }, engine);
    await using verifier = await backend.openPrm({ model: prm });
    await expect(verifier.score([{ prompt: 'a', steps: ['b'] }])).rejects.toThrow('model.norm.weight');
    const job = {
      source: { model: await folder({ weights }) },
      examples: EXAMPLES,
      options: TRAIN,
      out: join(root, 'nan'),
    };
    await expect(train(engine, job, { cache: join(root, 'cache') })).rejects.toThrow('model.norm.weight');
  });
});

it('an output head is asked for where none is stored and none is tied', async () => {
  const model = await folder({ weights: (all) => all.delete(HEAD) });
  await expect(write({ model })).rejects.toThrow(/Expected lm_head\.weight in .*tie_word_embeddings/);
  const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as object;
  await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: true }));
  expect((await write({ model })).warnings).toEqual([]);
});
