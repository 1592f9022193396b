// A provider's name -> the backend that runs models there. Leaves the models themselves to the backends.
import { SipfError } from '../errors.ts';
import type { Backend } from './backend.ts';

export interface OpenBackendOptions {
  readonly provider: 'cpu' | 'webgpu';
  /** Threads of one operation; absent: the runtime's choice. */
  readonly threads?: number;
}

/** Opens the backend of this process. The caller disposes it. */
export async function openBackend({ provider }: OpenBackendOptions): Promise<Backend> {
  throw new SipfError('unsupported', `Expected a provider that this build can run, got '${provider}'.`);
}
