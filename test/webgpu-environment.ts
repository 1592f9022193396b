// Nothing -> environment variables under which WebGPU starts here, or undefined.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { probeProvider } from '../src/engine/runtime/probe.ts';

/** Debian's chromium package ships SwiftShader, a Vulkan driver that computes on the CPU, and the loader for it. */
const CHROMIUM = '/usr/lib/chromium';
const software = {
  ...process.env,
  VK_ICD_FILENAMES: join(CHROMIUM, 'vk_swiftshader_icd.json'),
  LD_LIBRARY_PATH: [CHROMIUM, process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':'),
};

export async function findWebgpu(): Promise<Record<string, string> | undefined> {
  const own = await probeProvider('webgpu');
  if (own.available) return process.env as Record<string, string>;
  if (!existsSync(software.VK_ICD_FILENAMES)) {
    console.log(
      `skipped: WebGPU does not start here (${own.reason}) and there is no ${software.VK_ICD_FILENAMES}: install Debian's chromium for a software one`,
    );
    return undefined;
  }
  const result = await probeProvider('webgpu', { env: software });
  if (result.available) return software as Record<string, string>;
  console.log(`skipped: WebGPU does not start here (${own.reason}), nor with SwiftShader (${result.reason})`);
  return undefined;
}
