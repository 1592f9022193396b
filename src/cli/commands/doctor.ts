// sipf doctor: this machine -> what sipf finds here, each point ok, warn or fail.

import { constants, readFileSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { Command } from 'commander';
import { probeProvider } from '../../engine/runtime/probe.ts';
import type { Provider } from '../../engine-settings.ts';
import { messageOf } from '../../errors.ts';
import { cacheFolder } from '../../io/cache.ts';
import { makeFolders } from '../../io/files.ts';
import { createPyodideSandbox } from '../../sandboxes/embedded.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { runtimeFindings, telemetryFinding } from './doctor-runtime.ts';

export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly value: string;
  /** What to do about it. */
  readonly advice?: string;
}

const GIB = 2 ** 30;

export function doctorCommand(terminal: Terminal): Command {
  return finish(
    new Command('doctor').description(
      'Check what this machine offers: runtime, telemetry (off), providers, memory, cores, sandbox, disk.',
    ),
    'print {ok, findings: [{name, state, value, advice?}]}',
    'sipf doctor',
  ).action((options: { json?: boolean }) => doctor(options.json === true, terminal));
}

async function doctor(json: boolean, terminal: Terminal): Promise<void> {
  const findings = [
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
  const ok = findings.every(({ state }) => state !== 'fail');
  if (json) await terminal.print(JSON.stringify({ ok, findings }));
  else for (const finding of findings) await terminal.print(describe(finding, terminal));
  if (!ok) process.exitCode = 2;
}

function describe({ name, state, value, advice }: Finding, { colors }: Terminal): string {
  const mark = { ok: colors.green('ok  '), warn: colors.yellow('warn'), fail: colors.red('FAIL') }[state];
  return `${mark} ${name.padEnd(16)} ${value}${advice ? `\n     ${''.padEnd(16)} ${advice}` : ''}`;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const value = `${process.version} on ${process.platform} ${process.arch}`;
  if (major > 20 || (major === 20 && minor >= 19)) return { name: 'Node.js', state: 'ok', value };
  return { name: 'Node.js', state: 'fail', value, advice: 'Install Node.js 20.19 or newer.' };
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
