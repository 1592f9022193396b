// A key -> initial LoRA factors that depend on nothing else.
import { createRandom } from '../random.ts';

/** Evenly in [-bound, bound). */
export function uniformValues(key: string, length: number, bound: number): Float32Array {
  const random = createRandom(key);
  return Float32Array.from({ length }, () => bound * (2 * random.next() - 1));
}
