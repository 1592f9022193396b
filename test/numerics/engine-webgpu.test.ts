// The suites of ops and device values on WebGPU, where there is one; else says why not.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ARCHITECTURE_FIXTURES } from '../architecture-fixture.ts';
import { isFull } from '../tier.ts';
import { findWebgpu } from '../webgpu-environment.ts';

const root = join(import.meta.dirname, '..', '..');
/** Most of a part is waiting for shaders: parts side by side take a third of the time. */
const PARTS = 4;

/** What runs wherever a provider keeps its arrays: their own suite, the cache, generation, training, its trajectories and checkpoints. */
const VALUES = [
  'test/numerics/device-arrays.test.ts',
  'test/contract/kv-cache.test.ts',
  'test/numerics/device-generation.test.ts',
  'test/numerics/device-training.test.ts',
  'test/numerics/device-resume.test.ts',
  // DPO's graph is ORPO's but for its loss, and software takes half of all the time for it.
  ...['sft', 'orpo', 'prm', ...(isFull ? ['dpo'] : [])].map((objective) => `test/numerics/${objective}.test.ts`),
];

/** Runs test files on WebGPU, in processes of their own. */
function runOnWebgpu(args: readonly string[], part = '1/1'): Promise<{ failed: boolean; output: string }> {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const all = [vitest, 'run', '--root', root, '--project', 'suite', '--testTimeout', '600000', ...args];
  const settings = {
    cwd: root,
    env: { ...env, SIPF_TEST_PROVIDER: 'webgpu', SIPF_TEST_PART: part },
    maxBuffer: 1 << 26,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, all, settings, (error, stdout, stderr) =>
      resolve({ failed: error !== null, output: stdout + stderr }),
    );
  });
}

const env = await findWebgpu();

describe.skipIf(!env)('on webgpu', () => {
  it('ops agree with the reference, forward and gradient', { timeout: 600_000 }, async () => {
    const parts = Array.from({ length: PARTS }, (_, n) =>
      runOnWebgpu(['test/numerics/engine-provider.test.ts'], `${n + 1}/${PARTS}`),
    );
    for (const { failed, output } of await Promise.all(parts)) {
      expect(failed, output).toBe(false);
      expect(output).toMatch(/Tests .*\d+ passed/);
    }
  });

  it('weights, cache and optimizer state stay on the device', { timeout: 900_000 }, async () => {
    const { failed, output } = await runOnWebgpu(VALUES);
    expect(failed, output).toBe(false);
    expect(output).toMatch(new RegExp(`Test Files .*${VALUES.length} passed`));
  });

  it('architectures continue as in transformers, with the cache on the device', {
    timeout: 900_000,
  }, async () => {
    const names = isFull ? ARCHITECTURE_FIXTURES : ['gemma3-text', 'mistral'];
    const chosen = `^(${names.join('|')}) continues greedily`;
    const { failed, output } = await runOnWebgpu(['test/contract/architectures.test.ts', '-t', chosen]);
    expect(failed, output).toBe(false);
    expect(output).toMatch(new RegExp(`Tests .*${names.length} passed`));
  });
});
