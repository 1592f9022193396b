// The installed ONNX Runtime -> its version, whether it reports its use, what installing left.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type TelemetryReport, telemetryReport } from '../../engine/runtime/telemetry-report.ts';
import { messageOf } from '../../errors.ts';
import type { Finding } from './doctor.ts';

/** The package is found, not loaded: only the engine loads the runtime. */
export function runtimeFindings(): Finding[] {
  const name = 'onnxruntime';
  try {
    let folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-node'));
    while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    const binaries = join(folder, 'bin', 'napi-v6', process.platform, process.arch);
    if (existsSync(join(binaries, 'onnxruntime_binding.node')))
      return [{ name, state: 'ok', value: version }, cudaFinding(binaries)];
    const value = `${version}, no binary for ${process.platform} ${process.arch}`;
    return [{ name, state: 'fail', value, advice: 'Use Linux, macOS or Windows on x64 or arm64.' }];
  } catch (error) {
    return [{ name, state: 'fail', value: messageOf(error), advice: 'Run `npm install` again.' }];
  }
}

/** What the runtime's install script downloads where it may: hundreds of megabytes that sipf does not load. */
export function cudaFinding(binaries: string): Finding {
  const name = 'CUDA libraries';
  const found = readdirSync(binaries).filter((file) => /providers_(?:cuda|tensorrt|shared)/.test(file));
  const bytes = found.reduce((sum, file) => sum + statSync(join(binaries, file)).size, 0);
  if (found.length === 0) return { name, state: 'ok', value: 'none, and none are needed' };
  const value = `${found.length} files of ${Math.ceil(bytes / 2 ** 20)} MiB in ${binaries}`;
  const advice =
    "onnxruntime-node's install script downloaded them. sipf does not use them: delete them where space is short.";
  return { name, state: 'ok', value, advice };
}

/** Looks at what a session leaves in an empty home folder, and does not trust the switch alone. */
export async function telemetryFinding(): Promise<Finding> {
  return describeTelemetry(await telemetryReport());
}

export function describeTelemetry({ setting, files, ran }: TelemetryReport): Finding {
  const name = 'telemetry';
  if (!ran) return { name, state: 'warn', value: `unknown: no session could be tried (${setting})` };
  if (files.length === 0)
    return { name, state: 'ok', value: `off: ${setting}; a session in an empty home left no file` };
  const advice = 'ONNX Runtime reports its use to Microsoft. Set ORT_DISABLE_TELEMETRY=1, or leave it unset.';
  return { name, state: 'warn', value: `on: ${setting}; a session in an empty home left ${files.join(', ')}`, advice };
}
