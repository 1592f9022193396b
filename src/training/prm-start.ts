// The process reward model's head when training starts: as the model has it, or fresh numbers.
import { PRM_HEAD } from '../models/architectures/prm-head.ts';
import { joined, piecesOf } from '../models/files/safetensors.ts';
import type { OpenModel } from '../models/open-model.ts';
import { fillNormal } from '../models/weights/init-model.ts';
import type { Objective } from '../objectives/objectives.ts';

/** Standard deviation of fresh head weights: Hugging Face's default for new heads. */
const HEAD_STD = 0.02;

export const isHead = (name: string): boolean => name.startsWith(`${PRM_HEAD}.`);

const [WEIGHT, BIAS] = [`${PRM_HEAD}.weight`, `${PRM_HEAD}.bias`] as const;

/** Shapes of the head's trained tensors: as the source has them, or a new head of two labels; with a bias unless the objective has none. */
export function headShapes(
  model: OpenModel,
  objective: Extract<Objective, { kind: 'prm' }>,
): Map<string, readonly number[]> {
  const shapes = storedHead(model);
  if (objective.headBias === false) shapes.delete(BIAS);
  return shapes;
}

function storedHead({ adapter, files, decoder }: OpenModel): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const [name, shape] of files.shapes) if (isHead(name)) found.set(name, shape);
  for (const [name, { shape }] of adapter?.extra ?? []) if (isHead(name)) found.set(name, shape);
  if (found.size > 0) return found;
  return new Map([
    [WEIGHT, [2, decoder.config.hidden]],
    [BIAS, [2]],
  ]);
}

/** A head that was trained without a bias is written with zeros, as token classifiers have one. */
export function withHeadBias<Data>(values: Values<Data>): Values<Data | Float32Array> {
  if (!values.has(WEIGHT) || values.has(BIAS)) return values;
  const bias = { shape: [2], data: new Float32Array(2) };
  return new Map<string, { shape: readonly number[]; data: Data | Float32Array }>([...values, [BIAS, bias]]);
}

type Values<Data> = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Data }>;

/** First value of one of the head's tensors: the adapter's, else the model's own, else that of a new head. */
export async function headStart(
  { adapter, files }: OpenModel,
  name: string,
  shape: readonly number[],
  seed: number,
): Promise<Float32Array> {
  const inAdapter = adapter?.extra.get(name);
  if (inAdapter) return inAdapter.data;
  const stored = files.stored.tensors.find((tensor) => tensor.name === name);
  if (!stored) return freshHead(name, shape, seed);
  const pieces = async function* () {
    yield* piecesOf(stored);
  };
  return joined(stored.shape, pieces());
}

/** First value of one of a new head's tensors: normal weights, zero bias. */
export function freshHead(name: string, shape: readonly number[], seed: number): Float32Array {
  const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
  return shape.length > 1 ? fillNormal(values, `head/${seed}/${name}`, HEAD_STD) : values;
}
