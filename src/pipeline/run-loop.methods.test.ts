// The baselines of the papers on the scripted sums: what each trains on, and a stop at any point.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import type { Backend, TrainJob } from '../backend.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { METHODS, type MethodName } from '../method/methods.ts';
import { runLoop } from './run-loop.ts';
import { readRun } from './run-reader.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-methods-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
const tasks = () => sumsTask;

function configOf(method: MethodName, change: ConfigInput = {}) {
  return parseConfig({
    model: { init: {} },
    method,
    task: { name: 'sums', limit: 24 },
    sampling: { samples: 4, unit: 6 },
    labels: { K: 3, heldOut: 0.3, unit: 6 },
    pairs: { eta: 0.01 },
    align: 'align.gold' in METHODS[method].fixes ? {} : { gold: 0.5 },
    evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [], logpPairs: 4 },
    ...change,
  });
}

/** The scripted backend, which notes the alignment of each round. */
function noting(jobs: TrainJob[]): Backend {
  return {
    ...backend,
    train: (job, onStep, options) => {
      if (/iteration-[1-9].6-policy/.test(job.out)) jobs.push(job);
      return backend.train(job, onStep, options);
    },
  };
}

async function alignments(method: MethodName, change: ConfigInput = {}) {
  const jobs: TrainJob[] = [];
  const out = join(folder, `rows-${method}`);
  await runLoop({ config: configOf(method, change), out, backend: noting(jobs), tasks });
  const view = await readRun(out);
  const pairs = [];
  for await (const pair of view.pairs(1)) pairs.push(pair);
  return { jobs, pairs, view };
}

const textOf = (steps: readonly string[]) => sumsTask.pieces(steps).join('');
const completions = ({ examples }: TrainJob) =>
  examples.map((row) => (row.kind === 'sft' ? row.completion.join('') : `not ${row.kind}`));

describe('the rows of a round', () => {
  it.each(['wo-or', 'wo-pfor'] as const)('of %s are the chosen sides of the pairs, by SFT', async (method) => {
    const { jobs, pairs } = await alignments(method);
    const chosen = pairs.map((pair) => textOf(pair.chosen.steps));
    expect(pairs.some(({ rejected }) => rejected !== null)).toBe(true);
    expect(jobs[0]?.options.objective.kind).toBe('sft');
    expect(completions(jobs[0]!).slice(0, chosen.length)).toEqual(chosen);
    expect(jobs[0]?.examples).toHaveLength(chosen.length + Math.round(0.5 * pairs.length));
  });

  it('of prft are the paths that the scores choose, each once, and every worked solution', async () => {
    const { jobs, pairs } = await alignments('prft');
    const { pairs: all } = await alignments('sipf', { pairs: { eta: 0.01, perQuestion: null, nllRows: false } });
    expect(pairs.every(({ rejected }) => rejected === null)).toBe(true);
    const ids = pairs.map(({ chosen }) => chosen.sampleId);
    expect(ids.sort()).toEqual([...new Set(all.map(({ chosen }) => chosen.sampleId))].sort());
    expect(jobs).toHaveLength(1);
    expect(jobs[0]?.examples).toHaveLength(pairs.length + 24);
  });

  it('of star are right samples alone, hinted ones as if the question had been asked', async () => {
    const hard = createScriptedBackend({
      write: (args) => {
        const text = writeSum(args);
        return args.prompt.includes('The answer') || args.random.next() < 0.2 ? text : text.replace(/is /, 'is 9');
      },
    });
    const jobs: TrainJob[] = [];
    const train: Backend['train'] = (job, ...more) => {
      jobs.push(job);
      return hard.train(job, ...more);
    };
    const out = join(folder, 'star-hints');
    const config = configOf('star', { iterations: 1 });
    const { rounds } = await runLoop({ config, out, backend: { ...hard, train }, tasks });
    expect(rounds[1]?.counts['1-samples']?.hintedRight).toBeGreaterThan(3);
    const [, last] = jobs;
    expect(last?.options.objective.kind).toBe('sft');
    expect(last?.examples.length).toBe(rounds[1]?.counts['5-pairs']?.nllRows);
    for (const row of last?.examples ?? []) expect(row.prompt).not.toContain('The answer');
  });

  it.each(['srf', 'psrf'] as const)('of %s are pairs for DPO, in one round', async (method) => {
    const { jobs, view } = await alignments(method);
    expect(jobs.map(({ options }) => options.objective)).toEqual([{ kind: 'dpo', beta: 0.1, nllWeight: 0 }]);
    expect(jobs[0]?.examples.every((row) => row.kind === 'preference' && row.rejected !== null)).toBe(true);
    expect(view.rounds[1]?.stages.includes('3-prm')).toBe(method === 'psrf');
  });

  it('of rft-dpo are right samples first, and pairs for DPO of what that made of the policy', async () => {
    const { jobs, view } = await alignments('rft-dpo');
    expect(jobs.map(({ options }) => options.objective.kind)).toEqual(['sft', 'dpo']);
    expect(view.rounds.map(({ stages }) => stages.includes('4-scores'))).toEqual([false, false, true]);
  });

  it('of sapo are pairs of samples and kept rollouts; the last PRM proposes from the second round on', async () => {
    const { view } = await alignments('sapo');
    const ids = [];
    for await (const { chosen, rejected } of view.pairs(2)) ids.push(chosen.sampleId, rejected?.sampleId ?? '');
    expect(ids.some((id) => /\/2\.\d+\.\d+$/.test(id))).toBe(true);
    const [, first, second] = view.rounds.map(({ report }) => report?.counts['2-step-labels']);
    expect(first).not.toHaveProperty('stepsAssumed');
    expect(second?.stepsAssumed).toBeGreaterThan(0);
    expect(second?.scoredTokens).toBeGreaterThan(0);
    expect(second?.stepsRolledOut).toBeLessThanOrEqual(2 * (second?.paths ?? 0));
  });
});

async function filesOf(dir: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && entry.name !== 'events.jsonl')
      files.set(path.slice(dir.length), await readFile(path, 'utf8'));
  }
  return files;
}

it.each(['star', 'sapo', 'rft-dpo', 'prft'] as const)('%s continues after a stop to the same bytes', async (method) => {
  const config = configOf(method, { iterations: 2 });
  const whole = join(folder, `whole-${method}`);
  let work = 0;
  const onAny = () => {
    work += 1;
  };
  const counting = createScriptedBackend({ write: writeSum, score: scoreSum, onWork: onAny });
  await runLoop({ config, out: whole, backend: counting, tasks });
  const out = join(folder, `stopped-${method}`);
  for (const share of [0.2, 0.45, 0.7, 0.9]) {
    let left = Math.round(share * work);
    const onWork = () => {
      left -= 1;
      if (left < 0) throw new Error('stopped here');
    };
    const stopping = createScriptedBackend({ write: writeSum, score: scoreSum, onWork });
    await runLoop({ config, out, backend: stopping, tasks }).catch((error: Error) => {
      expect(error.message).toBe('stopped here');
    });
  }
  await runLoop({ config, out, backend, tasks });
  expect(await filesOf(out)).toEqual(await filesOf(whole));
});
