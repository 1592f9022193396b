// The Backend port -> messages to the engine's one worker thread, whose crash is an error.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Backend } from '../../backend.ts';
import { silenceRuntime } from '../../engine/runtime/telemetry.ts';
import { BACKEND_METHODS } from '../compose.ts';
import { RpcPeer } from '../rpc.ts';
import type { InProcessOptions } from './in-process.ts';

/** How long a closing thread may take to end by itself, in milliseconds. */
const CLOSING_MS = 5000;

/**
 * Starts the engine's thread; disposing the backend ends it.
 * @param entry compiled worker.js; tests of the sources name the built one.
 */
export function createWorkerBackend(
  options: InProcessOptions,
  entry: URL = new URL('./worker.js', import.meta.url),
): Backend {
  silenceRuntime();
  const worker = new Worker(entry, { workerData: options, name: 'sipf-engine' });
  const client = new RpcPeer(worker);
  worker.on('error', (error: Error) => client.break(error));
  worker.on('messageerror', (error: Error) => client.break(error));
  worker.on('exit', (code) =>
    client.break(new Error(`The engine's thread has ended (code ${code}) and answers no more.`)),
  );
  const backend = client.root<Backend>(BACKEND_METHODS);
  return { ...backend, [Symbol.asyncDispose]: () => close(worker, backend) };
}

/** Lets the thread release its sessions and end; one that is gone already, or hangs, is not waited for. */
async function close(worker: Worker, backend: Backend): Promise<void> {
  if (worker.threadId === -1) return;
  const ended = once(worker, 'exit');
  const timer = setTimeout(() => void worker.terminate(), CLOSING_MS);
  await Promise.resolve(backend[Symbol.asyncDispose]()).catch(() => worker.terminate());
  await ended;
  clearTimeout(timer);
}
