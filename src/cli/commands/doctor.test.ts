// What doctor says of the runtime's install script and its telemetry.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cudaFinding, describeTelemetry, runtimeFindings } from './doctor.ts';

it('finds the installed runtime and what its install script downloaded', () => {
  const [runtime, cuda] = runtimeFindings();
  expect(runtime).toMatchObject({ name: 'onnxruntime', state: 'ok', value: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  expect(cuda).toMatchObject({ name: 'CUDA libraries', state: 'ok' });
});

it('tells how much the install script left', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-cuda-'));
  try {
    writeFileSync(join(folder, 'libonnxruntime.so.1'), 'x');
    expect(cudaFinding(folder)).toEqual({
      name: 'CUDA libraries',
      state: 'ok',
      value: 'none, and none are needed',
    });
    writeFileSync(join(folder, 'libonnxruntime_providers_cuda.so'), Buffer.alloc(3 << 20));
    writeFileSync(join(folder, 'libonnxruntime_providers_shared.so'), 'x');
    const found = cudaFinding(folder);
    expect(found.value).toBe(`2 files of 4 MiB in ${folder}`);
    expect(found.advice).toMatch(/delete them/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('calls telemetry off only where a session was seen to leave nothing', () => {
  const setting = 'ORT_DISABLE_TELEMETRY=1';
  expect(describeTelemetry({ setting, files: [], ran: true }).state).toBe('ok');
  expect(describeTelemetry({ setting, files: ['deviceid'], ran: true })).toMatchObject({ state: 'warn' });
  expect(describeTelemetry({ setting, files: [], ran: false })).toMatchObject({ state: 'warn' });
});
