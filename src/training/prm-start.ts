// The process reward model's head when training starts: as the model has it, or fresh numbers.

import { PRM_HEAD } from '../models/architectures/prm-head.ts';
import type { OpenModel } from '../models/open-model.ts';
import { fillNormal } from '../models/weights/init-model.ts';

/** Standard deviation of fresh head weights: Hugging Face's default for new heads. */
const HEAD_STD = 0.02;

export const isHead = (name: string): boolean => name.startsWith(`${PRM_HEAD}.`);

/** Shapes of the head's tensors: as the source has them, or a new head of two labels with a bias. */
export function headShapes({ adapter, files, decoder }: OpenModel): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const [name, shape] of files.shapes) if (isHead(name)) found.set(name, shape);
  for (const [name, { shape }] of adapter?.extra ?? []) if (isHead(name)) found.set(name, shape);
  if (found.size > 0) return found;
  return new Map([
    [`${PRM_HEAD}.weight`, [2, decoder.config.hidden]],
    [`${PRM_HEAD}.bias`, [2]],
  ]);
}

/** First value of one of a new head's tensors: normal weights, zero bias. */
export function freshHead(name: string, shape: readonly number[], seed: number): Float32Array {
  const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
  return shape.length > 1 ? fillNormal(values, `head/${seed}/${name}`, HEAD_STD) : values;
}
