// Probing providers: one that works, one that cannot, one that ends its process, one that hangs.
import { describe, expect, it } from 'vitest';
import { mul } from '../build.ts';
import { Graph } from '../graph.ts';
import { probeProvider } from './probe.ts';
import { Engine } from './session.ts';

/** No Vulkan driver can be found. */
const noDriver = {
  PATH: process.env['PATH'],
  VK_ICD_FILENAMES: '/nonexistent.json',
  VK_DRIVER_FILES: '/nonexistent.json',
};

describe('probeProvider', () => {
  it('finds the CPU', async () => {
    expect(await probeProvider('cpu')).toEqual({ available: true, reason: 'computes' });
  });

  it('says in one line why a provider does not start', async () => {
    const { available, reason } = await probeProvider('webgpu', { env: noDriver });
    expect(available).toBe(false);
    expect(reason).toMatch(/adapter/);
    expect(reason).not.toMatch(/\n|onnxruntime_src/);
  });

  it('survives a child that crashes or hangs', async () => {
    const crash = await probeProvider('cpu', {
      env: { ...process.env, NODE_OPTIONS: '--import=data:text/javascript,process.abort()' },
    });
    expect(crash).toMatchObject({ available: false });
    expect(crash.reason).toMatch(/the process ended with SIG/);
    const hang = await probeProvider('cpu', {
      env: { ...process.env, NODE_OPTIONS: '--import=data:text/javascript,for(;;);' },
      timeoutMs: 500,
    });
    expect(hang).toMatchObject({ available: false });
    expect(hang.reason).toMatch(/no answer in 0.5 s/);
  });
});

// Read by the Vulkan loader when the provider starts in this process.
Object.assign(process.env, noDriver);
const elsewhere = await probeProvider('webgpu');
if (elsewhere.available) console.log('skipped: WebGPU starts here without Vulkan, so there is no failure to look at');

describe.skipIf(elsewhere.available)('Engine', () => {
  it('says which provider cannot start and what to do', async () => {
    const graph = new Graph();
    const y = mul(graph.input('x', 'float32', [2]), 2);
    const failed = new Engine({ provider: 'webgpu' }).compile(graph, { y }, { prepack: false });
    await expect(failed).rejects.toMatchObject({ name: 'SipfError', code: 'provider-unavailable' });
    await expect(failed).rejects.toThrow(
      /^Expected execution provider webgpu to start here, got: [^/\n]*adapter.*--provider cpu/,
    );
  });
});
