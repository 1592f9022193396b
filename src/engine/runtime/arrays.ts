// Arrays in main memory and on devices: one type for everybody; only the engine tells them apart.
import { Tensor as RuntimeTensor } from 'onnxruntime-node';
import type { DType } from '../graph.ts';

type HostData = Float32Array | BigInt64Array | Uint8Array | Int8Array | Uint16Array;

/** A dense row-major array. float32: Float32Array; int64: BigInt64Array; bool and uint8: Uint8Array; int8: Int8Array; float16: the bits in a Uint16Array. */
export interface HostArray<Data extends HostData = HostData> {
  readonly data: Data;
  readonly shape: readonly number[];
}

/** An array of an engine's, kept where its provider computes. Its caller disposes it, once; on the CPU it is no copy. */
export class DeviceArray implements Disposable {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #release: () => void;

  constructor(dtype: DType, shape: readonly number[], release: () => void) {
    this.dtype = dtype;
    this.shape = shape;
    this.#release = release;
  }

  /** @throws Error when it was disposed before. */
  [Symbol.dispose](): void {
    this.#release();
  }
}

/** What programs are fed. */
export type Value = HostArray | DeviceArray;

export type Feeds = Readonly<Record<string, Value>>;

/** Bytes that were copied, or would be if the provider were a device. */
export interface Traffic {
  readonly toDevice: number;
  readonly fromDevice: number;
}

/** The device arrays of one engine that are alive, and a meter of what crosses between them and main memory. */
export class DeviceArrays {
  readonly #tensors = new Map<DeviceArray, RuntimeTensor>();
  #toDevice = 0;
  #fromDevice = 0;

  /** Arrays that nobody has disposed. */
  get live(): number {
    return this.#tensors.size;
  }

  get traffic(): Traffic {
    return { toDevice: this.#toDevice, fromDevice: this.#fromDevice };
  }

  /** Keeps a tensor of the runtime's under a handle. */
  own(tensor: RuntimeTensor): DeviceArray {
    const array = new DeviceArray(tensor.type as DType, tensor.dims, () => {
      this.tensorOf(array);
      this.#tensors.delete(array);
      tensor.dispose();
    });
    this.#tensors.set(array, tensor);
    return array;
  }

  /** @throws Error when the array is disposed, or another engine's. */
  tensorOf(array: DeviceArray): RuntimeTensor {
    const tensor = this.#tensors.get(array);
    if (!tensor) throw new Error(`A device array [${array.shape}] is used after it was disposed, or in another engine`);
    return tensor;
  }

  send(array: HostArray, dtype = typeOf(array)): RuntimeTensor {
    this.#toDevice += array.data.byteLength;
    return new RuntimeTensor(dtype, array.data, array.shape);
  }

  fetch(tensor: RuntimeTensor): HostArray {
    const data = tensor.data as HostArray['data'];
    this.#fromDevice += data.byteLength;
    return { data, shape: tensor.dims };
  }
}

/** The type that host data is of; bytes are bool unless uint8 is `wanted`. */
export function typeOf({ data }: HostArray, wanted?: DType): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int8Array) return 'int8';
  if (data instanceof Uint16Array) return 'float16';
  if (data instanceof Uint8Array && wanted === 'uint8') return wanted;
  return data instanceof BigInt64Array ? 'int64' : 'bool';
}

/** What a run computed, by output name; asking for what is not there is an error. */
export class Results {
  readonly #values: ReadonlyMap<string, Value>;

  constructor(values: ReadonlyMap<string, Value>) {
    this.#values = values;
  }

  array(name: string): HostArray {
    const value = this.#values.get(name);
    if (value && 'data' in value) return value;
    throw new Error(`Output ${name} is ${value ? 'on the device' : 'missing'}`);
  }

  floats(name: string): Float32Array {
    const { data } = this.array(name);
    if (data instanceof Float32Array) return data;
    throw new Error(`Output ${name} is no float32`);
  }

  integers(name: string): BigInt64Array {
    const { data } = this.array(name);
    if (data instanceof BigInt64Array) return data;
    throw new Error(`Output ${name} is no int64`);
  }

  /** An output that was compiled to stay on the device: the caller's to dispose. */
  device(name: string): DeviceArray {
    const value = this.#values.get(name);
    if (value instanceof DeviceArray) return value;
    throw new Error(`Output ${name} is ${value ? 'not on the device' : 'missing'}`);
  }
}
