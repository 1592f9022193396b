// The engine's own thread: messages in -> calls of the in-process backend.
import { parentPort, workerData } from 'node:worker_threads';
import { RpcPeer } from '../rpc.ts';
import { createInProcessBackend, type InProcessOptions } from './in-process.ts';

if (!parentPort) throw new Error('worker.ts runs as a worker thread only');
new RpcPeer(parentPort, createInProcessBackend(workerData as InProcessOptions));
