// kill -9 of real smoke runs in every stage, then resume -> the bytes of an uninterrupted run.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull, sized } from '../tier.ts';
import { buildCli, runCli, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

let folder = '';
let env: Record<string, string> = {};
const calculator = ['sampling', 'labels', 'evaluate'].map((section) => `--${section}.calculator true`).join(' ');
const smoke = (out: string, seed = 5) =>
  `run --preset smoke --seed ${seed} --threads 1 ${calculator} --sft.calculatorLoss false --out ${join(folder, out)}`.split(
    ' ',
  );

beforeAll(async () => {
  buildCli();
  // On a file system other than the temporary one, if possible: the engine then links weights beside them.
  folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sipf-kill-real-'));
  env = { SIPF_CACHE: join(folder, 'cache') };
  await finish('whole');
}, 300_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs, or continues, the run in `out` to its end. */
async function finish(out: string, seed?: number): Promise<void> {
  const { code, stderr } = await runCli(smoke(out, seed), { env });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
}

/** Kills the run `delay` ms after its n-th stage of this process begins; gives the stage it was in, or null where the run ended before. */
function killed(out: string, begun: number, delay: number): Promise<string | null> {
  const child = startCli(smoke(out), { env });
  let stderr = '';
  let hit = false;
  const begins = () => [...stderr.matchAll(/^(.*): begins$/gm)].map((match) => match[1] as string);
  child.stderr?.setEncoding('utf8').on('data', async (text: string) => {
    stderr += text;
    if (hit || begins().length < begun) return;
    hit = true;
    await wait(delay);
    child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) =>
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(begins().at(-1) ?? '');
      else if (code === 0) resolve(null);
      else reject(new Error(`The run ended with ${code}:\n${stderr}`));
    }),
  );
}

const same = async (a: string, b: string) =>
  expect(await artefacts(join(folder, a))).toEqual(await artefacts(join(folder, b)));

describe('smoke runs', () => {
  it('with one seed write the same bytes, with another seed others', async () => {
    // `npm test` sees the same bytes from the run that is killed.
    if (isFull) {
      await finish('again');
      await same('again', 'whole');
    }
    await finish('other', 6);
    expect(await artefacts(join(folder, 'other'))).not.toEqual(await artefacts(join(folder, 'whole')));
  }, 300_000);

  it('killed again and again, in most stages, end as an uninterrupted one', async () => {
    const stages: string[] = [];
    for (let n = 0; n < 60; n++) {
      const stage = await killed('killed', 1 + (n % sized(3, 2)), [0, 40, 100, 200, 400][n % 5] as number);
      if (stage === null) break;
      stages.push(stage);
    }
    console.log(`killed ${stages.length} times: ${stages.join(', ')}`);
    expect(stages.length).toBeGreaterThanOrEqual(6);
    expect(new Set(stages).size).toBeGreaterThanOrEqual(5);
    await finish('killed');
    await same('killed', 'whole');
    const names = await readdir(join(folder, 'killed'), { recursive: true });
    expect(names.filter((name) => /lock|tmp|checkpoint|session|journal|draft/.test(name))).toEqual([]);
  }, 600_000);
});
