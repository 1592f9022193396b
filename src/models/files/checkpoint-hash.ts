// Content hashes of a model and its adapter -> the one hash that names the checkpoint in records. Leaves reading files to content-hash.ts.
import { createHash } from 'node:crypto';

/** The model's own hash, or one of model and adapter together; hexadecimal. */
export function checkpointHash(model: string, adapter: string | null): string {
  return adapter === null ? model : createHash('sha256').update(`${model}\n${adapter}`).digest('hex');
}
