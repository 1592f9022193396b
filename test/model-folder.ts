// The fixtures' tiny models and their tokenizer with changes -> a model folder, for tests.
import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, type Tensor, writeSafetensors } from '../src/models/files/safetensors.ts';
import { fixtures } from './tiny-model.ts';

/** Ids of the tokenizer. */
const TOKENS = 512;
/** Weights with a row for each token. */
const PER_TOKEN = ['model.embed_tokens.weight', 'lm_head.weight', 'lm_head.bias'] as const;

export interface FolderChanges {
  /** Model of the fixtures, which gets a row for each token of the tokenizer; default: models/llama. */
  readonly from?: string;
  /** Keys of config.json; undefined removes one. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Further files, or others: texts, bytes, or JSON. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** What becomes of the weights. */
  readonly weights?: (tensors: Map<string, Tensor>) => void;
}

/** Writes a folder of its own below `root`. */
export async function makeModelFolder(root: string, changes: FolderChanges = {}): Promise<string> {
  const { from = 'models/llama', config = {}, files = {}, weights } = changes;
  await mkdir(root, { recursive: true });
  const folder = await mkdtemp(join(root, 'model-'));
  const source = join(fixtures, from);
  const original = JSON.parse(await readFile(join(source, 'config.json'), 'utf8')) as Record<string, unknown>;
  const text = JSON.stringify({ ...original, vocab_size: TOKENS, ...config });
  // transformers takes no integer for a soft cap.
  await writeFile(join(folder, 'config.json'), text.replace(/(softcapping":\d+)(?=[,}])/g, '$1.0'));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    await copyFile(join(fixtures, 'tokenizer', name), join(folder, name));
  await writeWeights(join(source, 'model.safetensors'), join(folder, 'model.safetensors'), weights);
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === 'string' || content instanceof Uint8Array;
    await writeFile(join(folder, name), isText ? content : JSON.stringify(content));
  }
  return folder;
}

/** Gives each token a row: those that are there, again and again, each time one place further to the left. */
function widen(tensors: Map<string, Tensor>): void {
  for (const name of PER_TOKEN) {
    const { data, shape } = tensors.get(name) ?? { data: new Float32Array(), shape: [] };
    const [rows = TOKENS, width = 1] = shape;
    if (rows === TOKENS) continue;
    const wide = Float32Array.from({ length: TOKENS * width }, (_, i) => {
      const [row, column] = [Math.floor(i / width), i % width];
      const shift = Math.floor(row / rows);
      return data[(row % rows) * width + ((column + shift) % width)] as number;
    });
    tensors.set(name, { shape: [TOKENS, ...shape.slice(1)], data: wide });
  }
}

async function writeWeights(from: string, to: string, change: FolderChanges['weights']): Promise<void> {
  const tensors = await readSafetensors(from);
  if (!change && tensors.get(PER_TOKEN[0])?.shape[0] === TOKENS) return copyFile(from, to);
  widen(tensors);
  change?.(tensors);
  await writeSafetensors(
    to,
    [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
  );
}

/** Bytes of a safetensors file of tensors whose values do not matter. */
export function safetensorsBytes(
  tensors: Readonly<Record<string, readonly [dtype: string, shape: readonly number[], bytes: number]>>,
): Buffer {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, [dtype, shape, bytes]] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(offset)]);
}
