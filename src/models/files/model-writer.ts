// Configuration, tensors, a tokenizer's source -> a folder that transformers opens.
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheOptions } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import { makeFolders, writeFileAtomically, writeJson } from '../../io/files.ts';
import type { ModelConfig } from '../architectures/architecture.ts';
import { ggufTokenizerJson, ggufTokenizerSettings } from '../tokenizer/gguf-tokenizer.ts';
import { addedTokens, CONTROL } from '../tokenizer/tokenizer-json.ts';
import type { Json } from '../tokenizer/tokenizer-schema.ts';
import { readGguf } from './gguf.ts';
import { resolveSource } from './model-source.ts';
import { type AnyTensorToWrite, piecesOf, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { encoded, WRITTEN_TYPES } from './written-types.ts';

interface ModelToWrite {
  /** config.json; its `dtype` is set. */
  readonly config: ModelConfig;
  readonly tensors: readonly TensorToWrite[];
  /** Number type of the file; absent: float32. */
  readonly dtype?: FloatName | undefined;
  /** Model whose tokenizer goes along (folder, .gguf or hub id); null: none. */
  readonly tokenizerFrom: string | null;
}

/** What a number type is called in config.json and in safetensors files. */
const FLOATS = { f32: ['float32', 'F32'], f16: ['float16', 'F16'], bf16: ['bfloat16', 'BF16'] } as const;
export type FloatName = keyof typeof FLOATS;

export const isFloat = (name: string): name is FloatName => Object.hasOwn(FLOATS, name);

/** The number type that a configuration states; float32 where it states none. */
export function statedFloat({ dtype, torch_dtype: older }: ModelConfig): FloatName {
  const found = Object.entries(FLOATS).find(([, [name]]) => name === (dtype ?? older));
  return (found?.[0] ?? 'f32') as FloatName;
}

const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'generation_config.json',
] as const;

/** Writes `folder`, weights last, so that a folder with weights is whole. */
export async function writeModelFolder(
  folder: string,
  { config, tensors, dtype = 'f32', tokenizerFrom }: ModelToWrite,
  options: CacheOptions = {},
): Promise<void> {
  if (tokenizerFrom !== null) await writeTokenizer(folder, tokenizerFrom, options);
  await writeFileAtomically(join(folder, 'config.json'), [configText({ ...config, dtype: FLOATS[dtype][0] })]);
  const file = join(folder, 'model.safetensors');
  await writeSafetensors(file, dtype === 'f32' ? tensors : tensors.map((tensor) => stored(tensor, dtype, file)));
}

/** JSON.stringify writes 30 for 30.0. transformers takes no integer for these, of all floats of the architectures here. */
const SOFT_CAPS = /("(?:attn|final)_logit_softcapping": \d+)(?=,?$)/gm;

function configText(config: ModelConfig): string {
  return `${JSON.stringify(config, null, 2).replace(SOFT_CAPS, '$1.0')}\n`;
}

function stored(tensor: TensorToWrite, dtype: FloatName, file: string): AnyTensorToWrite {
  const { name, shape } = tensor;
  const data = async function* () {
    for await (const piece of piecesOf(tensor)) yield encoded(file, name, WRITTEN_TYPES[dtype], piece);
  };
  return { name, shape, dtype: FLOATS[dtype][1], data };
}

/** Puts the tokenizer of `source` into `folder`: its files copied, or made from GGUF metadata. */
export async function writeTokenizer(folder: string, source: string, options: CacheOptions = {}): Promise<void> {
  const { path, kind } = await resolveSource(source, options);
  if (kind === 'gguf') return writeGgufTokenizer(folder, path);
  await makeFolders(folder);
  for (const name of TOKENIZER_FILES) {
    if (await exists(join(path, name))) await copyFile(join(path, name), join(folder, name));
  }
}

async function writeGgufTokenizer(folder: string, path: string): Promise<void> {
  const gguf = await readGguf(path);
  const json = ggufTokenizerJson(gguf);
  const settings = ggufTokenizerSettings(gguf);
  const vocabulary = (gguf.metadata.get('tokenizer.ggml.tokens') ?? []) as readonly string[];
  const text = (id: number | null | undefined): string | null =>
    id === null || id === undefined ? null : (vocabulary[id] ?? null);
  const bos = text(settings.bosId);
  const standard = {
    version: '1.0',
    truncation: null,
    padding: null,
    ...json,
    added_tokens: addedTokens(json).map(({ [CONTROL]: _, ...token }) => token),
    post_processor: settings.addBos && bos !== null ? bosTemplate(bos, settings.bosId as number) : null,
  };
  await writeJson(join(folder, 'tokenizer.json'), standard);
  await writeJson(join(folder, 'tokenizer_config.json'), {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: bos,
    eos_token: text(settings.eosIds[0]),
    pad_token: text(settings.padId),
    clean_up_tokenization_spaces: false,
  });
  await writeJson(join(folder, 'generation_config.json'), {
    bos_token_id: settings.bosId,
    eos_token_id: settings.eosIds,
    pad_token_id: settings.padId,
  });
  const template = settings.chatTemplate;
  if (template !== null) await writeFileAtomically(join(folder, 'chat_template.jinja'), [template]);
}

function bosTemplate(bos: string, id: number): Json {
  const special = { SpecialToken: { id: bos, type_id: 0 } };
  const sequence = (name: string, type: number): Json => ({ Sequence: { id: name, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [special, sequence('A', 0)],
    pair: [special, sequence('A', 0), { SpecialToken: { id: bos, type_id: 1 } }, sequence('B', 1)],
    special_tokens: { [bos]: { id: bos, ids: [id], tokens: [bos] } },
  };
}
