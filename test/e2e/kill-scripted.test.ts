// kill -9 in every stage and at every write, then resume -> byte-identical artefacts.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SipfError } from '../../src/errors.ts';
import { type Disk, nodeDisk } from '../../src/io/files.ts';
import { sized } from '../tier.ts';
import { artefacts } from './run-files.ts';
import { scriptedRun } from './scripted-run.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
let folder = '';
let reference: Map<string, string>;

beforeAll(async () => {
  // Memory where there is some: thousands of small synced writes take long on a disk, and what they leave is the same.
  folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sipf-kill-'));
  await scriptedRun({ out: join(folder, 'whole') });
  reference = await artefacts(join(folder, 'whole'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Death = 'before' | 'torn' | 'after' | 'full';

/** A disk that dies at its n-th operation: before it, half-way through it, or after it; `full` fails once with ENOSPC and then works again. */
function dyingDisk(n: number, death: Death): { disk: Disk; operations: () => number } {
  let count = 0;
  let dead = false;
  const op = async <T>(whole: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> => {
    if (dead) throw new Error('killed');
    count += 1;
    if (count !== n) return whole();
    if (death === 'full') throw new SipfError('write-failed', 'no space');
    dead = true;
    if (death === 'torn') await half?.();
    if (death === 'after') await whole();
    throw new Error('killed');
  };
  const disk: Disk = {
    makeFolder: (path) => op(() => nodeDisk.makeFolder(path)),
    write: (path, chunks) =>
      op(
        () => nodeDisk.write(path, chunks),
        () => writeFile(path, '{"torn'),
      ),
    append: (path, text, durable) =>
      op(
        () => nodeDisk.append(path, text, durable),
        () => appendFile(path, text.slice(0, text.length / 2)),
      ),
    create: (path, text) =>
      op(
        () => nodeDisk.create(path, text),
        () => writeFile(path, text.slice(0, 5)),
      ),
    rename: (from, to) => op(() => nodeDisk.rename(from, to)),
    truncate: (path, bytes) => op(() => nodeDisk.truncate(path, bytes)),
    remove: (path) => op(() => nodeDisk.remove(path)),
    copy: (from, to) => op(() => nodeDisk.copy(from, to)),
  };
  return { disk, operations: () => count };
}

describe('a run that dies at its n-th write', () => {
  it.each(['before', 'torn', 'after', 'full'] as const)(
    'resumes to the same bytes: %s',
    async (death) => {
      const counting = dyingDisk(-1, death);
      await scriptedRun({ out: join(folder, `count-${death}`), disk: counting.disk });
      expect(await artefacts(join(folder, `count-${death}`))).toEqual(reference);
      const operations = counting.operations();
      expect(operations).toBeGreaterThan(100);
      // SIPF_KILL_EVERY=1 kills at every operation in every way (minutes); the default takes turns over the four ways.
      const every = Number(process.env.SIPF_KILL_EVERY ?? sized(48, 4));
      const first = every === 1 ? 1 : 1 + 4 * ['before', 'torn', 'after', 'full'].indexOf(death);
      let rejected = 0;
      let runs = 0;
      for (let n = first; n <= operations; n += every) {
        const out = join(folder, `${death}-${n}`);
        const failed = await scriptedRun({ out, disk: dyingDisk(n, death).disk }).then(
          () => null,
          (error: unknown) => error,
        );
        runs += 1;
        rejected += failed === null ? 0 : 1;
        // A dead process leaves its lock, and so does a disk that refuses to remove it last; this process is alive, so it would count.
        if (death !== 'full' || n === operations) await rm(join(out, 'lock'), { force: true });
        if (death === 'full' && failed !== null) expect(failed).toMatchObject({ code: 'write-failed' });
        await scriptedRun({ out });
        expect(await artefacts(out), `died ${death} operation ${n}`).toEqual(reference);
        await rm(out, { recursive: true });
      }
      console.log(`${death}: ${rejected} of ${runs} runs died, of ${operations} operations`);
      expect(rejected).toBeGreaterThan(0.9 * runs);
    },
    600_000,
  );

  it('continues after a failure of the backend', async () => {
    for (const n of [5, 40, 90]) {
      const out = join(folder, `backend-${n}`);
      let work = 0;
      const onWork = () => {
        work += 1;
        if (work === n) throw new Error('the engine died');
      };
      await expect(scriptedRun({ out, onWork })).rejects.toThrow('the engine died');
      await scriptedRun({ out });
      expect(await artefacts(out)).toEqual(reference);
    }
  });
});

/** Compiles this test's child and what it imports, without checking types, to a folder beside node_modules. */
function compileChild(): { program: string; remove: () => void } {
  mkdirSync(join(root, '.cache'), { recursive: true });
  const build = mkdtempSync(join(root, '.cache', 'kill-'));
  const settings = {
    extends: '../../tsconfig.json',
    compilerOptions: { noEmit: false, noCheck: true, rootDir: '../..', outDir: '.' },
    files: ['../../test/e2e/scripted-run.ts'],
    include: [],
  };
  writeFileSync(join(build, 'tsconfig.json'), JSON.stringify(settings));
  cpSync(join(root, 'package.json'), join(build, 'package.json'));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', build], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The child does not compile:\n${stdout}`);
  return { program: join(build, 'test', 'e2e', 'scripted-run.js'), remove: () => rmSync(build, { recursive: true }) };
}

describe('a process that is killed', () => {
  let child: ReturnType<typeof compileChild>;
  beforeAll(() => {
    child = compileChild();
  });
  afterAll(() => child.remove());

  /** The lines of a run, which is killed at the line `end` or at the `end`-th; and the signal that ended it. */
  async function run(out: string, end: string | number = ''): Promise<{ lines: string[]; signal: string | null }> {
    const running = spawn(process.execPath, [child.program, out, String(end)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(running, 'close');
    const lines: string[] = [];
    for await (const line of createInterface({ input: running.stdout })) lines.push(line);
    const [, signal] = (await closed) as [number | null, string | null];
    return { lines, signal };
  }

  it('in any stage leaves a run that resumes to the same bytes', async () => {
    const whole = await run(join(folder, 'child-whole'));
    expect(await artefacts(join(folder, 'child-whole'))).toEqual(reference);
    const stages = [...new Set(whole.lines.filter((line) => line.startsWith('stage-start')))];
    expect(stages.length).toBeGreaterThan(20);
    for (const [index, stage] of stages.entries()) {
      if (index % sized(2, 1) !== 0) continue;
      const out = join(folder, `child-${index}`);
      expect(await run(out, stage)).toMatchObject({ signal: 'SIGKILL' });
      await scriptedRun({ out });
      expect(await artefacts(out), `killed at ${stage}`).toEqual(reference);
      await rm(out, { recursive: true });
    }
  }, 600_000);

  it('and killed again and again still ends with the same bytes', async () => {
    const out = join(folder, 'child-again');
    const signals: (string | null)[] = [];
    while (signals.at(-1) !== null && signals.length < 60)
      signals.push((await run(out, 25 + sized(12, 3) * signals.length)).signal);
    expect(signals.length).toBeGreaterThan(4);
    expect(signals.at(-1)).toBeNull();
    expect(await artefacts(out)).toEqual(reference);
  }, 600_000);
});
