// The op suite on the WebGPU provider where there is one (software Vulkan counts), in processes of its own; else says why not.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { probeProvider } from '../../src/engine/probe.ts';

const root = join(import.meta.dirname, '..', '..');
/** Debian's chromium package ships SwiftShader, a Vulkan driver that computes on the CPU, and the loader for it. */
const CHROMIUM = '/usr/lib/chromium';
const software = {
  ...process.env,
  VK_ICD_FILENAMES: join(CHROMIUM, 'vk_swiftshader_icd.json'),
  LD_LIBRARY_PATH: [CHROMIUM, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':'),
};

async function findEnvironment(): Promise<Record<string, string | undefined> | undefined> {
  const own = await probeProvider('webgpu');
  if (own.available) return process.env;
  if (!existsSync(software.VK_ICD_FILENAMES)) {
    console.log(
      `skipped: WebGPU does not start here (${own.reason}) and there is no ${software.VK_ICD_FILENAMES}: install Debian's chromium for a software one`,
    );
    return undefined;
  }
  const result = await probeProvider('webgpu', { env: software });
  if (result.available) return software;
  console.log(`skipped: WebGPU does not start here (${own.reason}), nor with SwiftShader (${result.reason})`);
  return undefined;
}

/** Most of a part is waiting for shaders: parts side by side take a third of the time. */
const PARTS = 4;

function runPart(part: number, env: Record<string, string | undefined>): Promise<{ failed: boolean; output: string }> {
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

const env = await findEnvironment();

describe.skipIf(!env)('ops on webgpu', () => {
  it('agree with the reference, forward and gradient', { timeout: 600_000 }, async () => {
    const parts = await Promise.all(
      Array.from({ length: PARTS }, (_, n) => runPart(n + 1, env as Record<string, string | undefined>)),
    );
    for (const { failed, output } of parts) {
      expect(failed, output).toBe(false);
      expect(output).toMatch(/Tests .*\d+ passed/);
    }
  });
});
