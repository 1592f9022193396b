// config.json and the weight files -> which output head is used, as transformers 5 decides.
import { readTensorPieces, type TensorEntry } from '../files/safetensors.ts';
import type { ModelConfig } from './architecture.ts';

export const EMBEDDING = 'model.embed_tokens.weight';
/** Module of the output projection. */
export const HEAD = 'lm_head';
export const OUTPUT_HEAD = `${HEAD}.weight`;

/**
 * A tied model whose files hold a head as well: an equal one is left out, another one is used, and `tie_word_embeddings` becomes false, so that
 * what is saved later says so. A tied model that stores its one table as the head has it as its embedding.
 */
export async function settleOutputHead(
  config: ModelConfig,
  entries: ReadonlyMap<string, TensorEntry>,
  path: string,
  tiedByDefault: boolean,
): Promise<{ config: ModelConfig; entries: ReadonlyMap<string, TensorEntry>; warnings: readonly string[] }> {
  const [embedding, head] = [entries.get(EMBEDDING), entries.get(OUTPUT_HEAD)];
  if ((config['tie_word_embeddings'] ?? tiedByDefault) !== true || !head) return { config, entries, warnings: [] };
  const others = [...entries].filter(([name]) => name !== OUTPUT_HEAD);
  if (!embedding) return { config, entries: new Map([...others, [EMBEDDING, head]]), warnings: [] };
  if (await isSame(embedding, head)) return { config, entries: new Map(others), warnings: [] };
  const warning =
    `${path} says tie_word_embeddings true in config.json, but its weights hold another ${OUTPUT_HEAD}: that one is used. ` +
    'Set tie_word_embeddings false there if that is right.';
  return { config: { ...config, tie_word_embeddings: false }, entries, warnings: [warning] };
}

/** Compared by value, as the two may be stored in different types, and bit for bit, so that a NaN equals itself. */
async function isSame(a: TensorEntry, b: TensorEntry): Promise<boolean> {
  if (String(a.shape) !== String(b.shape)) return false;
  const other = readTensorPieces(OUTPUT_HEAD, b);
  for await (const piece of readTensorPieces(EMBEDDING, a)) {
    const { value } = await other.next();
    if (!value || !bytesOf(piece).equals(bytesOf(value))) return false;
  }
  return true;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
