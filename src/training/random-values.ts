// A key -> initial weights that depend on nothing else. Leaves which tensor gets which to the trainees.
import { createRandom } from '../random.ts';

/** Normal numbers of mean 0 (Box and Muller 1958). */
export function normalValues(key: string, length: number, std: number): Float32Array {
  const random = createRandom(key);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(1 - random.next()));
    const angle = 2 * Math.PI * random.next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** Evenly in [-bound, bound). */
export function uniformValues(key: string, length: number, bound: number): Float32Array {
  const random = createRandom(key);
  return Float32Array.from({ length }, () => bound * (2 * random.next() - 1));
}
