// PEFT adapter folders, good and bad -> their factors, or an error that names file and field.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type AdapterFiles, adapterHash, adapterScale, readAdapter, writeAdapter } from './adapter-files.ts';
import { readSafetensorsHeader, writeSafetensors } from './safetensors.ts';

const folders: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-adapter-'));
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true }))));

const PATH = 'model.layers.0.self_attn.q_proj';
const ADAPTER: AdapterFiles = {
  rank: 2,
  alpha: 8,
  dropout: 0.05,
  targets: ['down_proj', 'q_proj'],
  useRslora: false,
  taskType: 'CAUSAL_LM',
  baseModel: 'owner/name',
  tensors: new Map([
    [PATH, { a: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(7, 8) }],
    ['model.layers.0.mlp.down_proj', { a: Float32Array.of(1, 2), b: Float32Array.of(3, 4, 5, 6) }],
  ]),
  extra: new Map(),
};

const config = async (): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
const change = async (keys: Record<string, unknown>): Promise<void> =>
  writeFile(join(folder, 'adapter_config.json'), JSON.stringify({ ...(await config()), ...keys }));

describe('writeAdapter', () => {
  it('writes what readAdapter reads back, under the names and shapes of PEFT', async () => {
    await writeAdapter(folder, ADAPTER);
    expect(await readAdapter(folder)).toEqual(ADAPTER);
    const header = await readSafetensorsHeader(join(folder, 'adapter_model.safetensors'));
    expect(Object.fromEntries([...header].map(([name, { shape }]) => [name, shape]))).toEqual({
      'base_model.model.model.layers.0.mlp.down_proj.lora_A.weight': [2, 1],
      'base_model.model.model.layers.0.mlp.down_proj.lora_B.weight': [2, 2],
      [`base_model.model.${PATH}.lora_A.weight`]: [2, 3],
      [`base_model.model.${PATH}.lora_B.weight`]: [1, 2],
    });
    expect(await config()).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: 'owner/name',
      r: 2,
      lora_alpha: 8,
      lora_dropout: 0.05,
      bias: 'none',
      target_modules: ['down_proj', 'q_proj'],
      modules_to_save: null,
    });
  });

  it('keeps the head of a process reward model as modules_to_save', async () => {
    const extra = new Map([
      ['score.bias', { shape: [2], data: Float32Array.of(5, 6) }],
      ['score.weight', { shape: [2, 1], data: Float32Array.of(3, 4) }],
    ]);
    const prm: AdapterFiles = { ...ADAPTER, taskType: 'TOKEN_CLS', extra };
    await writeAdapter(folder, prm);
    expect(await readAdapter(folder)).toEqual(prm);
    expect(await config()).toMatchObject({ task_type: 'TOKEN_CLS', modules_to_save: ['score'] });
    expect(
      (await readSafetensorsHeader(join(folder, 'adapter_model.safetensors'))).has('base_model.model.score.weight'),
    ).toBe(true);
  });

  it('gives the same bytes and hash each time, another hash for other factors', async () => {
    await writeAdapter(folder, ADAPTER);
    const before = await adapterHash(folder);
    await writeAdapter(folder, { ...ADAPTER, tensors: new Map([...ADAPTER.tensors].reverse()) });
    expect(await adapterHash(folder)).toBe(before);
    await writeAdapter(folder, {
      ...ADAPTER,
      tensors: new Map([...ADAPTER.tensors, [PATH, { a: new Float32Array(6), b: Float32Array.of(7, 8) }]]),
    });
    expect(await adapterHash(folder)).not.toBe(before);
  });

  it('knows both scales', () => {
    expect(adapterScale(ADAPTER)).toBe(4);
    expect(adapterScale({ rank: 4, alpha: 8, useRslora: true })).toBe(4);
  });
});

describe('readAdapter', () => {
  const features: [string, unknown][] = [
    ['use_dora', true],
    ['bias', 'all'],
    ['rank_pattern', { q_proj: 8 }],
    ['alpha_pattern', { q_proj: 8 }],
    ['modules_to_save', ['lm_head']],
    ['fan_in_fan_out', true],
    ['layer_replication', [[0, 1]]],
    ['trainable_token_indices', [3]],
    ['init_lora_weights', 'pissa'],
    ['peft_type', 'IA3'],
    ['task_type', 'SEQ_CLS'],
  ];
  it.each(features)('names the unsupported %s', async (key, value) => {
    await writeAdapter(folder, ADAPTER);
    await change({ [key]: value });
    await expect(readAdapter(folder)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(`${key}: ${JSON.stringify(value)}`),
    });
  });

  it('refuses a rank that is not that of the tensors, half factors, other tensors, an empty or absent adapter', async () => {
    await writeAdapter(folder, ADAPTER);
    await change({ r: 3 });
    await expect(readAdapter(folder)).rejects.toThrow('Expected lora_A [3, in]');
    await change({ r: 2 });
    const weights = join(folder, 'adapter_model.safetensors');
    const only = (name: string) =>
      writeSafetensors(weights, [{ name: `base_model.model.${name}`, shape: [2, 1], data: Float32Array.of(1, 2) }]);
    await only(`${PATH}.lora_A.weight`);
    await expect(readAdapter(folder)).rejects.toThrow(`Expected lora_A and lora_B of ${PATH}`);
    await only('model.embed_tokens.weight');
    await expect(readAdapter(folder)).rejects.toThrow('got tensor base_model.model.model.embed_tokens.weight');
    await only('score.weight');
    await expect(readAdapter(folder)).rejects.toThrow('The adapter is empty');
    await rm(weights);
    await expect(readAdapter(folder)).rejects.toMatchObject({ code: 'not-found' });
    await rm(join(folder, 'adapter_config.json'));
    await expect(readAdapter(folder)).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('adapter_config.json'),
    });
  });
});
