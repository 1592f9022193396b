// Where a process reward model's head comes from when training starts: the adapter, the model, or fresh numbers.
import type { Tensor } from '../models/safetensors.ts';
import { PRM_HEAD } from '../models/prm-head.ts';
import { fillNormal } from '../models/init-model.ts';
import type { TrainingSource } from './source.ts';

/** Standard deviation of fresh head weights: Hugging Face's default for new heads. */
const HEAD_STD = 0.02;

export const isHead = (name: string): boolean => name.startsWith(`${PRM_HEAD}.`);

/** Shapes of the head's tensors: as the source has them, or a new head of two labels with a bias. */
export function headShapes({ adapter, files, config }: TrainingSource): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const [name, shape] of files.shapes) if (isHead(name)) found.set(name, shape);
  for (const [name, { shape }] of adapter?.extra ?? []) if (isHead(name)) found.set(name, shape);
  if (found.size > 0) return found;
  return new Map([
    [`${PRM_HEAD}.weight`, [2, config.hidden]],
    [`${PRM_HEAD}.bias`, [2]],
  ]);
}

/** First value of one of the head's tensors; `stored` reads the model's own. */
export async function headValue(
  name: string,
  shape: readonly number[],
  { adapter, files }: TrainingSource,
  { seed, stored }: { readonly seed: number; readonly stored: () => Promise<Tensor> },
): Promise<Float32Array> {
  const inAdapter = adapter?.extra.get(name);
  if (inAdapter) return inAdapter.data;
  if (files.shapes.has(name)) return (await stored()).data;
  const length = shape.reduce((product, n) => product * n, 1);
  const values = new Float32Array(length);
  return shape.length > 1 ? fillNormal(values, `head/${seed}/${name}`, HEAD_STD) : values;
}
