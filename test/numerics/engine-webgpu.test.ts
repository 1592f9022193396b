// The op suite on the WebGPU provider where there is one (software Vulkan counts), in processes of its own; else says why not.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWebgpu } from '../webgpu-environment.ts';

const root = join(import.meta.dirname, '..', '..');
/** Most of a part is waiting for shaders: parts side by side take a third of the time. */
const PARTS = 4;

function runPart(part: number, env: Record<string, string>): Promise<{ failed: boolean; output: string }> {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [vitest, 'run', '--root', root, 'test/numerics/engine-provider.test.ts'];
  const settings = {
    cwd: root,
    env: { ...env, SIPF_TEST_PROVIDER: 'webgpu', SIPF_TEST_PART: `${part}/${PARTS}` },
    maxBuffer: 1 << 26,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, args, settings, (error, stdout, stderr) =>
      resolve({ failed: error !== null, output: stdout + stderr }),
    );
  });
}

const env = await findWebgpu();

describe.skipIf(!env)('ops on webgpu', () => {
  it('agree with the reference, forward and gradient', { timeout: 600_000 }, async () => {
    const parts = await Promise.all(
      Array.from({ length: PARTS }, (_, n) => runPart(n + 1, env as Record<string, string>)),
    );
    for (const { failed, output } of parts) {
      expect(failed, output).toBe(false);
      expect(output).toMatch(/Tests .*\d+ passed/);
    }
  });
});
