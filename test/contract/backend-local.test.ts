// The engine in the calling thread keeps the contract of a backend.
import { join } from 'node:path';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { backendContract } from './backend-suite.ts';

backendContract('in this thread', async (folder) =>
  createInProcessBackend({ provider: 'cpu', threads: 1, slots: 2, cache: join(folder, 'cache') }),
);
