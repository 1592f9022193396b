// Tests in tiers. unit: beside the source, seconds. suite: what continuous integration runs besides. full: all tests at their full sizes.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Beside the source, but seconds each: they start processes, run whole loops or try thousands of texts. */
const SLOW = [
  'src/backends/local/worker-client.test.ts',
  'src/backends/published-models.test.ts',
  'src/cli/{help,outputs}.test.ts',
  'src/cli/commands/{compare,eval-answers,grade}.test.ts',
  'src/inference/sampling.test.ts',
  'src/pipeline/run-{loop*,storage}.test.ts',
  'src/sandboxes/**/*.test.ts',
  'src/storage/s3.test.ts',
  'src/tasks/code/code-{distinct,tasks,text}.test.ts',
  'src/tasks/generated/*.test.ts',
  'src/tasks/math/{answers,math,formulas/*}.test.ts',
  'src/tasks/tasks.test.ts',
  'src/viewer/{queries/run-queries,report/report}.test.ts',
  'src/viewer/open-run-index.test.ts',
];
const SUITE = ['test/**/*.test.ts', '{bench,experiments}/**/*.test.ts', ...SLOW];

export default defineConfig({
  resolve: {
    alias: [{ find: /^#sipf\/(.*)\.js$/, replacement: fileURLToPath(new URL('./src/$1.ts', import.meta.url)) }],
  },
  test: {
    // The runtime's binding must not be loaded by several threads of one process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'], exclude: SLOW, isolate: false } },
      { extends: true, test: { name: 'suite', include: SUITE } },
      { extends: true, test: { name: 'full', include: ['src/**/*.test.ts', ...SUITE], env: { SIPF_TEST_FULL: '1' } } },
    ],
  },
});
