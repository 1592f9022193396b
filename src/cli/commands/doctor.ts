// sipf doctor: this machine -> what sipf finds here, each point ok, warn or fail.

import { constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { checkEngine, samplerTable, scorerTable } from '../../backends/index.ts';
import { engineOf } from '../../config/engine.ts';
import { probeProvider } from '../../engine/runtime/probe.ts';
import { type TelemetryReport, telemetryReport } from '../../engine/runtime/telemetry-report.ts';
import type { Provider } from '../../engine-settings.ts';
import { messageOf, SipfError } from '../../errors.ts';
import { cacheFolder } from '../../io/cache.ts';
import { makeFolders } from '../../io/files.ts';
import { createPyodideSandbox } from '../../sandboxes/embedded.ts';
import { finish } from '../options.ts';
import { readSettings, type SettingsOptions, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';

export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly value: string;
  /** What to do about it. */
  readonly advice?: string;
}

const GIB = 2 ** 30;

interface DoctorOptions extends SettingsOptions {
  readonly json?: boolean;
  readonly engine?: boolean;
  readonly model?: string;
}

export function doctorCommand(terminal: Terminal): Command {
  const command = withSettings(
    new Command('doctor')
      .description('Check what this machine offers: runtime, telemetry (off), providers, memory, cores, sandbox, disk.')
      .option(
        '--engine',
        'check what the configured engine needs instead: the program that trains, the servers that draw and score, the storage',
      )
      .option('--model <path>', 'with --engine: the files of the model that a server has'),
    ['engine'],
  );
  return finish(
    command,
    'print {ok, findings: [{name, state, value, advice?}]}',
    'sipf doctor',
    'sipf doctor --engine --config run.json',
  ).action(async (options: DoctorOptions) => {
    const none = { provider: undefined, threads: undefined, slots: undefined };
    const { preset, config: file, seed, model } = options;
    const config = await readSettings(command, { ...none, preset, config: file, seed }, { model }, null, ['engine']);
    const engine = async () => [
      ...(await checkEngine(config.engine)),
      ...(await serverFindings('sampler', () => samplerTable(engineOf(config)))),
      ...(await serverFindings('scorer', () => scorerTable(engineOf(config)))),
    ];
    await tell(options.engine === true ? await engine() : await machine(), options, terminal);
  });
}

async function machine(): Promise<Finding[]> {
  return [
    node(),
    ...runtimeFindings(),
    await telemetryFinding(),
    await provider('cpu'),
    await provider('webgpu'),
    memory(),
    cores(),
    vectorUnits(),
    await sandbox(),
    await folder('cache folder', cacheFolder()),
    await folder('current folder', process.cwd()),
  ];
}

async function tell(findings: readonly Finding[], { json = false }: DoctorOptions, terminal: Terminal): Promise<void> {
  const ok = findings.every(({ state }) => state !== 'fail');
  if (json) await terminal.print(JSON.stringify({ ok, findings }));
  else for (const finding of findings) await terminal.print(describe(finding, terminal));
  if (!ok) process.exitCode = 2;
}

/** What servers can; nothing where a configuration names none. */
async function serverFindings(part: string, table: () => ReturnType<typeof samplerTable>): Promise<Finding[]> {
  try {
    const facts = await table();
    return facts.map(({ name, value }) => ({ name: `${part} ${name}`, state: 'ok', value }));
  } catch (error) {
    if (!(error instanceof SipfError)) throw error;
    return [{ name: part, state: 'fail', value: error.message }];
  }
}

function describe({ name, state, value, advice }: Finding, { colors }: Terminal): string {
  const mark = { ok: colors.green('ok  '), warn: colors.yellow('warn'), fail: colors.red('FAIL') }[state];
  return `${mark} ${name.padEnd(22)} ${value}${advice ? `\n     ${''.padEnd(22)} ${advice}` : ''}`;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const value = `${process.version} on ${process.platform} ${process.arch}`;
  if (major > 20 || (major === 20 && minor >= 19)) return { name: 'Node.js', state: 'ok', value };
  return { name: 'Node.js', state: 'fail', value, advice: 'Install Node.js 20.19 or newer.' };
}

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
async function telemetryFinding(): Promise<Finding> {
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

async function provider(kind: Provider): Promise<Finding> {
  const name = `provider ${kind}`;
  const { available, reason: value } = await probeProvider(kind);
  if (available) return { name, state: 'ok', value };
  if (kind === 'cpu') return { name, state: 'fail', value, advice: 'Run `npm install` again.' };
  const advice = 'Needed only for --provider webgpu: a GPU with Vulkan, Metal or DirectX 12.';
  return { name, state: 'warn', value, advice };
}

function memory(): Finding {
  const name = 'memory';
  const total = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / GIB;
  const value = `${total.toFixed(1)} GiB, ${(Math.min(freemem() / GIB, total)).toFixed(1)} GiB free`;
  if (total >= 8) return { name, state: 'ok', value };
  return { name, state: 'warn', value, advice: 'A 135M model trains in about 6 GiB; use smaller models or batches.' };
}

function cores(): Finding {
  const count = availableParallelism();
  return { name: 'cores', state: 'ok', value: `${count} (${cpus()[0]?.model.trim() ?? 'unknown'})` };
}

function vectorUnits(): Finding {
  const name = 'vector units';
  if (process.arch !== 'x64') return { name, state: 'ok', value: process.arch };
  let flags = '';
  try {
    flags = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return { name, state: 'ok', value: 'unknown on this system' };
  }
  if (/\bavx512f\b/.test(flags)) return { name, state: 'ok', value: 'AVX-512' };
  const value = /\bavx2\b/.test(flags) ? 'AVX2' : 'neither AVX-512 nor AVX2';
  const advice = 'Matrix products run at half the speed of an AVX-512 machine, or less.';
  return { name, state: 'warn', value, advice };
}

/** Runs a program in the embedded sandbox, and tells which of its walls hold here. */
async function sandbox(): Promise<Finding> {
  const name = 'sandbox';
  const advice = 'Needed only for code tasks: docs/sandbox.md.';
  try {
    await using opened = createPyodideSandbox({ workers: 1 });
    const verdict = await opened.grade({ code: 'def f(x): return x * x', tests: ['assert f(3) == 9'] });
    const walls = (await opened.walls?.()) ?? [];
    if (verdict.kind === 'right') return { name, state: 'ok', value: `runs Python; ${walls.join('; ')}` };
    return { name, state: 'warn', value: `graded x * x ${verdict.kind}: ${verdict.detail}`, advice };
  } catch (error) {
    return { name, state: 'warn', value: messageOf(error), advice };
  }
}

async function folder(name: string, path: string): Promise<Finding> {
  try {
    if (name === 'cache folder') await makeFolders(path);
    await access(path, constants.W_OK);
    const { bavail, bsize } = await statfs(path);
    const free = (bavail * bsize) / GIB;
    const value = `${path}, ${free.toFixed(1)} GiB free`;
    if (free >= 5) return { name, state: 'ok', value };
    return { name, state: 'warn', value, advice: 'A run with a 135M model writes a few GiB. Free some space.' };
  } catch (error) {
    return { name, state: 'fail', value: messageOf(error), advice: `Make ${path} writable.` };
  }
}
