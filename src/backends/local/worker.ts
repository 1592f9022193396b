// The engine's own thread: messages in -> calls of the in-process backend.
import { parentPort, workerData } from 'node:worker_threads';
import { RpcServer } from '../rpc.ts';
import { createInProcessBackend, type InProcessOptions } from './in-process.ts';
import { PORT } from './port-table.ts';

if (!parentPort) throw new Error('worker.ts runs as a worker thread only');
new RpcServer(parentPort, PORT, { kind: 'backend', object: createInProcessBackend(workerData as InProcessOptions) });
