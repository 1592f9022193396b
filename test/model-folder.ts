// The fixtures' tiny Llama and their tokenizer with changes -> a model folder, for tests.
import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensors, type Tensor, writeSafetensors } from '../src/models/files/safetensors.ts';
import { fixtures } from './tiny-model.ts';

export interface FolderChanges {
  /** Model of the fixtures; default: models/llama. */
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
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...original, ...config }));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    await copyFile(join(fixtures, 'tokenizer', name), join(folder, name));
  await writeWeights(join(source, 'model.safetensors'), join(folder, 'model.safetensors'), weights);
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === 'string' || content instanceof Uint8Array;
    await writeFile(join(folder, name), isText ? content : JSON.stringify(content));
  }
  return folder;
}

async function writeWeights(from: string, to: string, change: FolderChanges['weights']): Promise<void> {
  if (!change) return copyFile(from, to);
  const tensors = await readSafetensors(from);
  change(tensors);
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
