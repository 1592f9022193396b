// A provider, or what its runtime threw -> an error where half precision is not to be had.
import { messageOf, SipfError } from '../../errors.ts';
import type { Precision, Provider } from '../ops/op.ts';

/** @throws SipfError 'unsupported' for half precision on the CPU. */
export function checkPrecision(provider: Provider, precision: Precision): void {
  if (provider !== 'cpu' || precision === 'float32') return;
  throw new SipfError(
    'unsupported',
    `Expected engine.precision float32 with engine.provider ${provider}, got ${precision}, which is for GPUs. Set engine.provider webgpu, or engine.precision float32.`,
  );
}

/** What the runtime threw; an error in words where that is a device without half precision. */
export function orWithoutHalves(thrown: unknown): unknown {
  if (!/requires f16 but the device does not support it/.test(messageOf(thrown))) return thrown;
  return new SipfError(
    'unsupported',
    'Expected a GPU that computes in half precision (shader-f16 of WebGPU), got one that does not. Set engine.precision float32, and engine.quantisation to another value than float16.',
    { cause: thrown },
  );
}
