// The engine in its own thread, as built, keeps the contract of a backend.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createWorkerBackend } from '../../src/backends/local/worker-client.ts';
import { buildCli, root } from '../e2e/run-cli.ts';
import { backendContract } from './backend-suite.ts';

buildCli();

const entry = pathToFileURL(join(root, 'dist', 'backends', 'local', 'worker.js'));

backendContract('in a worker thread', async (folder) =>
  createWorkerBackend({ provider: 'cpu', threads: 1, slots: 2, cache: join(folder, 'cache') }, entry),
);
