// A model's files -> its linear layers in few bits in the cache, and all other weights in float32.
import { ELEMENT_BYTES } from '../../engine/graph.ts';
import { PACKINGS } from '../../engine/ops/quantised.ts';
import { SipfError } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import type { Decoder } from '../architectures/architecture.ts';
import { HEAD } from '../architectures/output-head.ts';
import type { QuantisedSlices } from '../architectures/parameters.ts';
import type { ModelFiles } from '../files/model-files.ts';
import { type AnyTensorToWrite, joined, piecesOf, type TensorEntry, type TensorToWrite } from '../files/safetensors.ts';
import { declaredWeights } from './declared-weights.ts';
import { QUANTISERS, type Quantisation, type Quantiser } from './quantisers/quantisers.ts';
import { cachedEntries } from './weight-cache.ts';

export interface QuantisedWeights {
  readonly slices: ReadonlyMap<string, TensorEntry>;
  readonly quantised: ReadonlyMap<string, QuantisedSlices>;
}

/** Raised when a quantiser changes, so that old files are not read. */
const VERSION = 1;

/**
 * Reads and writes one matrix at a time.
 * @throws SipfError 'write-failed' where the disk refuses, 'unsupported' where no matrix can be stored so.
 */
export async function quantisedWeights(
  decoder: Decoder,
  { stored, hash }: Pick<ModelFiles, 'stored' | 'hash'>,
  quantisation: Quantisation,
  options: CacheOptions,
): Promise<QuantisedWeights> {
  const quantiser = QUANTISERS[quantisation];
  const sizes = PACKINGS[quantiser.packing];
  const isChosen = quantisedBy(decoder, quantiser);
  const chosen = stored.tensors.filter(isChosen);
  if (chosen.length === 0) throw nothingFits(quantisation);
  const scales = (name: string) => `${name}.scales`;
  const tensors: AnyTensorToWrite[] = [
    ...stored.tensors.filter((tensor) => !isChosen(tensor)),
    ...chosen.map((tensor) => ({
      name: scales(tensor.name),
      shape: sizes.scales(...matrixShape(tensor.shape)),
      data: whole(tensor, quantiser.scales),
    })),
    // Last, so that float32 values begin at multiples of four bytes.
    ...chosen.map((tensor) => ({
      name: tensor.name,
      shape: sizes.packed(...matrixShape(tensor.shape)),
      dtype: quantiser.dtype,
      data: whole(tensor, quantiser.pack),
    })),
  ];
  const fileOf = (name: string) => stored.fileOf(name.replace(/\.scales$/, ''));
  const entries = await cachedEntries({ tensors, fileOf }, `${hash}.${quantisation}-${VERSION}`, options);
  const quantised = chosen.map(({ name, shape }): [string, QuantisedSlices] => [
    name,
    {
      packing: quantiser.packing,
      shape: matrixShape(shape),
      packed: entries.get(name) as TensorEntry,
      scales: entries.get(scales(name)) as TensorEntry,
    },
  ]);
  return { slices: new Map([...entries].filter(([, { dtype }]) => dtype === 'F32')), quantised: new Map(quantised) };
}

function nothingFits(quantisation: Quantisation): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a linear layer that ${quantisation} can store (int4: rows of a multiple of 32 weights; nf4: 64 weights in all), got none. Set engine.quantisation nf4, int8 or null.`,
  );
}

/** Bytes of a model's weights in memory. @param quantisation null: all are float32. */
export function weightBytes(
  decoder: Decoder,
  { stored }: Pick<ModelFiles, 'stored'>,
  quantisation: Quantisation | null,
): number {
  const quantiser = quantisation === null ? null : QUANTISERS[quantisation];
  const isChosen = quantiser === null ? () => false : quantisedBy(decoder, quantiser);
  const bytesOf = (tensor: Pick<TensorToWrite, 'name' | 'shape'>): number => {
    if (quantiser === null || !isChosen(tensor)) return 4 * sizeOf(tensor.shape);
    const { dtype, packed, scales } = PACKINGS[quantiser.packing];
    const shape = matrixShape(tensor.shape);
    return ELEMENT_BYTES[dtype] * sizeOf(packed(...shape)) + 4 * sizeOf(scales(...shape));
  };
  return stored.tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
}

/** Whether a tensor is the matrix of a linear layer that can be stored so. As in transformers, embeddings and heads are none. */
function quantisedBy(decoder: Decoder, { fits }: Quantiser) {
  const modules = declaredWeights(decoder).modules.filter((module) => module !== HEAD);
  const layers = new Set(modules.map((module) => `${module}.weight`));
  return ({ name, shape }: Pick<TensorToWrite, 'name' | 'shape'>) => layers.has(name) && fits(matrixShape(shape));
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const matrixShape = (shape: readonly number[]) => shape as readonly [rows: number, columns: number];

/** What `make` gives for all values of a matrix. */
function whole<Data>(tensor: TensorToWrite, make: (values: Float32Array, columns: number) => Data) {
  return async function* (): AsyncGenerator<Data> {
    yield make(await joined(tensor.shape, piecesOf(tensor) as AsyncIterable<Float32Array>), tensor.shape[1] as number);
  };
}
