import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The runtime's binding must not be loaded by several threads of one process, so tests run in a pool of processes.
export default defineConfig({
  resolve: {
    alias: [{ find: /^#sipf\/(.*)\.js$/, replacement: fileURLToPath(new URL('./src/$1.ts', import.meta.url)) }],
  },
  test: {
    include: ['{src,test,bench,experiments}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
