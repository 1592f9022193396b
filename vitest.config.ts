import { defineConfig } from 'vitest/config';

// The runtime's binding must not be loaded by several threads of one process, so tests run in a pool of processes.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
