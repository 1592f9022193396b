// Trained tensors by name -> places in flat arrays: optimizer and checkpoint see one vector.
import type { Shape } from '../engine/dims.ts';

/** Both regions are multiples of this, so that sums can be taken block by block. */
export const BLOCK = 1024;

interface FlatTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** Layout of all trained tensors: those with weight decay first, then the one-dimensional ones (norms, biases), which have none. */
export class FlatLayout {
  readonly tensors: readonly FlatTensor[];
  /** Elements with weight decay, padding included. */
  readonly decayed: number;
  /** All elements, padding included. */
  readonly size: number;

  constructor(shapes: ReadonlyMap<string, Shape>) {
    const tensors: FlatTensor[] = [];
    const place = (start: number, keep: (shape: Shape) => boolean): number => {
      let offset = start;
      for (const [name, shape] of shapes) {
        if (!keep(shape)) continue;
        const length = shape.reduce<number>((product, size) => product * Number(size), 1);
        tensors.push({ name, shape: shape.map(Number), offset, length });
        offset += length;
      }
      return Math.ceil(offset / BLOCK) * BLOCK;
    };
    this.decayed = place(0, (shape) => shape.length > 1);
    this.size = place(this.decayed, (shape) => shape.length <= 1);
    this.tensors = tensors;
  }

  /** Zeros for all tensors. */
  zeros(): Float32Array<ArrayBuffer> {
    return new Float32Array(this.size);
  }

  /** A tensor's part of a flat array, without a copy. */
  view(flat: Float32Array, { offset, length }: FlatTensor): Float32Array {
    return flat.subarray(offset, offset + length);
  }
}

/** Parameters and both moments, each as one flat array in one layout. */
export interface FlatState {
  readonly params: Float32Array<ArrayBuffer>;
  readonly m: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
}
