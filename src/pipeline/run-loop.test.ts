// The loop on the scripted sums: every method end to end, resume, refusals. Kills are in test/e2e.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import type { Backend } from '../backend.ts';
import { createScriptedBackend, type WriteArgs } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { Config, ConfigInput } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { nodeDisk } from '../io/files.ts';
import { METHODS, type MethodName, roundsOf } from '../method/methods.ts';
import { Probe } from '../method/probe.ts';
import { ScoreCalibration } from '../method/score-calibration.ts';
import { PairShift, PreferencePair } from '../records.ts';
import type { LogEvent, ProgressEvent } from '../run/events.ts';
import { takeLock } from '../run/lock.ts';
import { mean } from '../statistics/intervals.ts';
import type { LoadOptions } from '../task.ts';
import { runLoop } from './run-loop.ts';
import { configOfRun, readRun } from './run-reader.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-loop-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
const tasks = () => sumsTask;

function configWith(change: ConfigInput = {}): Config {
  return parseConfig({
    model: { init: {} },
    task: { name: 'sums', limit: 30 },
    sampling: { samples: 6, unit: 7 },
    labels: { K: 4, heldOut: 0.3, unit: 7 },
    evaluate: {
      sets: [{ split: 'valid', limit: 40 }],
      final: [{ split: 'test', limit: 60 }],
      control: 'continued-sft',
      unit: 16,
    },
    ...change,
  });
}

describe('runLoop', () => {
  it('runs sipf for two rounds and tells what happened', async () => {
    const out = join(folder, 'sipf');
    const events: LogEvent[] = [];
    const result = await runLoop({ config: configWith(), out, backend, tasks, log: (event) => events.push(event) });
    expect(result.rounds.map(({ iteration }) => iteration)).toEqual([0, 1, 2]);
    const [, first, second] = result.rounds;
    expect(first?.pairs?.pairs).toBeGreaterThan(20);
    expect(first?.scores?.aucOutcome.scores?.value).toBeGreaterThan(0.8);
    expect(first?.scores?.trueSteps?.labels?.value).toBeGreaterThan(0.8);
    expect(first?.logps?.n).toBeGreaterThan(0);
    expect(second?.sets[0]?.paired?.n).toBe(40);
    expect(result.final?.rows.map(({ name }) => name)).toEqual(['start', 'last', 'continued-sft']);
    const [, last, control] = result.final?.rows ?? [];
    // Equal optimizer tokens up to rounding to whole steps of the control (one scripted step is 160 tokens).
    expect(control?.optimizerTokens).toBeGreaterThan(0);
    expect(last?.flops).toBeGreaterThan(control?.flops ?? 0);
    const correct = (row: typeof last) => row?.sets[0]?.correct ?? Number.NaN;
    const n = last?.sets[0]?.n ?? 0;
    expect(last?.againstControl?.map(({ paired }) => paired?.n)).toEqual([n]);
    expect((last?.againstControl?.[0]?.paired?.difference ?? 0) * n).toBeCloseTo(correct(last) - correct(control));

    const view = await readRun(out);
    expect(view.finished).toBe(true);
    const ends = events.filter(({ type, stage }) => type === 'stage-end' && !/^\d-/.test(stage ?? ''));
    expect(ends.map(({ stage }) => stage)).toEqual([
      'continued-sft',
      ...['start-answers', 'last-answers', 'continued-sft-answers', 'eval'],
    ]);
    const [id = ''] = await view.questionIds(2);
    const question = await view.question(2, id);
    expect(question?.paths.length).toBeGreaterThan(2);
    expect(question?.paths[0]?.sample.source).toBe('gold');
    expect(question?.paths.every(({ scores }) => scores !== null)).toBe(true);
    expect(await configOfRun(out)).toEqual(configWith());
    expect(events.some(({ type }) => type === 'stage-end')).toBe(true);
  });

  it.each(['1-samples', '2-step-labels', '7-answers'])('shows progress of %s within a unit of work', async (stage) => {
    const config = configWith({ iterations: 1, sampling: { samples: 6, unit: 1000 }, labels: { K: 4, unit: 1000 } });
    const whole = { ...config, evaluate: { ...config.evaluate, unit: 1000 } };
    const seen: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent) => event.stage === stage && event.iteration === 1 && seen.push(event);
    await runLoop({ config: whole, out: join(folder, `progress-${stage}`), backend, tasks, onProgress });
    const done = seen.map((event) => event.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(new Set(done).size).toBeGreaterThan(3);
    expect(done.at(-1)).toBe(seen[0]?.total);
  });

  it('keeps times and absolute paths out of the artefacts', async () => {
    const out = join(folder, 'sipf');
    for (const file of [
      'config.json',
      'iteration-1/done/6-policy.json',
      'iteration-1/7-eval.json',
      'iteration-1/1-samples.jsonl',
    ]) {
      const text = await readFile(join(out, file), 'utf8');
      expect(text).not.toContain(folder);
      expect(text).not.toMatch(/20\d\d-\d\d-\d\dT/);
    }
  });

  it('keeps how the log-probabilities of single pairs moved', async () => {
    const { rounds, ...view } = await readRun(join(folder, 'sipf'));
    const rows = [];
    for await (const pair of view.pairs(1)) rows.push(pair);
    const file = join(folder, 'sipf', 'iteration-1', '7-pair-logps.jsonl');
    const shifts = readFileSync(file, 'utf8').trim().split('\n');
    const kept = shifts.map((line) => PairShift.parse(JSON.parse(line)));
    expect(kept.map(({ row }) => row)).toEqual([...new Set(kept.map(({ row }) => row))].sort((a, b) => a - b));
    for (const { row } of kept) expect(rows[row]?.rejected ?? null).not.toBeNull();
    const logps = rounds[1]?.report?.logps;
    expect(kept).toHaveLength(logps?.n ?? 0);
    for (const side of ['chosen', 'rejected'] as const)
      for (const when of ['before', 'after'] as const)
        expect(mean(kept.map((shift) => shift[side][when]))).toBeCloseTo(logps?.[side][when] ?? 0, 12);
    expect(existsSync(join(folder, 'sipf', 'iteration-0', '7-pair-logps.jsonl'))).toBe(false);
  });

  it('skips every stage of a finished run and gives the same result', async () => {
    const out = join(folder, 'sipf');
    const events: LogEvent[] = [];
    const again = await runLoop({ config: configWith(), out, backend, tasks, log: (event) => events.push(event) });
    expect(events.filter(({ type }) => type === 'stage-start')).toEqual([]);
    expect(again.rounds).toHaveLength(3);
  });

  it.each(Object.keys(METHODS) as MethodName[])('runs the method %s', async (method) => {
    const config = configWith({
      method,
      iterations: method === 'rft-dpo' ? 2 : 1,
      evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] },
    });
    const { rounds } = await runLoop({ config, out: join(folder, `method-${method}`), backend, tasks });
    expect(rounds).toHaveLength(1 + roundsOf(METHODS[method], config.iterations));
    if (method === 'siof') expect(rounds[1]?.pairs?.pairs).toBeGreaterThan(0);
    if (method === 'rft') expect(rounds[1]?.pairs).toMatchObject({ pairs: 0 });
  });

  it.each(['sipf', 'siof', 'random-pairs'] as const)('aligns by DPO in the method %s', async (method) => {
    const config = configWith({
      method,
      iterations: 1,
      align: { loss: { kind: 'dpo' }, gold: 0.5 },
      evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] },
    });
    const out = join(folder, `dpo-${method}`);
    const events: LogEvent[] = [];
    const { rounds } = await runLoop({ config, out, backend, tasks, log: (event) => events.push(event) });
    const pairs = rounds[1]?.pairs?.pairs ?? 0;
    expect(pairs).toBeGreaterThan(0);
    if (method === 'siof') expect(rounds[1]?.cost.scoredTokens).toBeGreaterThan(100);
    const kept = readFileSync(join(out, 'iteration-1', '6-reference.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(kept.map((line) => JSON.parse(line).row)).toEqual(kept.map((_, row) => row));
    expect(kept).toHaveLength(pairs);
    const warnings = events.filter(({ type }) => type === 'warning').map((event) => JSON.stringify(event));
    expect(warnings.filter((text) => /rows without a rejected path are left out/.test(text))).toHaveLength(1);
  });

  it.each(['prm-logprob', 'tallies', 'logprob', 'equations', 'likelihood', 'oracle'] as const)(
    'runs with the scorer %s',
    async (scorer) => {
      const config = configWith({
        iterations: 1,
        score: { scorer },
        pairs: { eta: 0.01 },
        labels: { K: 4, heldOut: 0.3 },
      });
      const out = join(folder, `scorer-${scorer}`);
      const { rounds } = await runLoop({ config, out, backend, tasks });
      expect(rounds[1]?.pairs?.pairs).toBeGreaterThan(0);
      const file = join(out, 'iteration-1', '4-calibration.json');
      expect(existsSync(file)).toBe(scorer === 'prm-logprob');
      if (!existsSync(file)) return;
      expect(ScoreCalibration.parse(JSON.parse(readFileSync(file, 'utf8'))).steps).toBeGreaterThan(10);
      expect(rounds[1]?.counts['4-calibration']?.scoredTokens).toBeGreaterThan(0);
      expect(rounds[1]?.scores?.questions).toBeGreaterThan(0);
    },
  );

  it.each([
    ['oracle', { kind: 'orpo' }],
    ['prm', { kind: 'dpo', nllWeight: 1 }],
  ] as const)('learns from step pairs with the scorer %s', async (scorer, loss) => {
    const config = configWith({
      iterations: 1,
      score: { scorer },
      pairs: { kind: 'step' },
      align: { loss },
      evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] },
    });
    const out = join(folder, `step-${scorer}`);
    const { rounds } = await runLoop({ config, out, backend, tasks });
    const { pairs = 0, stepPairs = 0, meanSharedSteps = 0 } = rounds[1]?.pairs ?? {};
    expect(pairs).toBeGreaterThan(10);
    expect(stepPairs).toBeGreaterThan(5);
    const forks = readFileSync(join(out, 'iteration-1', '5-pairs.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => PreferencePair.parse(JSON.parse(line)))
      .flatMap(({ shared, chosen, rejected }) =>
        rejected === null ? [] : [{ shared: shared ?? -1, chosen, rejected }],
      );
    expect(forks).toHaveLength(pairs);
    expect(forks.filter(({ shared }) => shared > 0)).toHaveLength(stepPairs);
    expect(forks.reduce((sum, { shared }) => sum + shared, 0) / pairs).toBeCloseTo(meanSharedSteps, 12);
    for (const { shared, chosen, rejected } of forks) {
      const wrong = rejected.steps[shared] ?? '';
      expect(chosen.steps.slice(0, shared)).toEqual(rejected.steps.slice(0, shared));
      if (scorer === 'oracle') expect(sumsTask.equationsHold(wrong)).toBe(false);
    }
    expect(await runLoop({ config, out, backend, tasks })).toMatchObject({ rounds: [{}, { pairs: { pairs } }] });
  });

  it('pairs paths by the change of their step scores', async () => {
    const config = configWith({ iterations: 1, score: { value: 'advantage', path: 'min' } });
    const { rounds } = await runLoop({ config, out: join(folder, 'advantage'), backend, tasks });
    expect(rounds[1]?.pairs?.pairs).toBeGreaterThan(20);
    expect(rounds[1]?.scores?.aucOutcome.scores?.value).toBeGreaterThan(0.8);
  });

  it('continues a run from before a setting was there', async () => {
    const out = join(folder, 'before');
    const config = configWith({ iterations: 1, evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] } });
    await runLoop({ config, out, backend, tasks });
    const file = join(out, 'config.json');
    const stored = JSON.parse(await readFile(file, 'utf8')) as { config: Config };
    const { kind: _kind, drop: _drop, below: _below, ...pairs } = stored.config.pairs;
    const { value: _value, ...score } = stored.config.score;
    await writeFile(file, JSON.stringify({ ...stored, config: { ...stored.config, pairs, score } }));
    const events: LogEvent[] = [];
    await runLoop({ config, out, backend, tasks, log: (event) => events.push(event) });
    expect(events.filter(({ type }) => type === 'stage-start')).toEqual([]);
  });

  it('runs the paper rules, relabelling, rotation, quotas, soft labels, chat and shots', async () => {
    const config = configWith({
      prompt: { style: 'plain', shots: 2 },
      sampling: {
        questions: 12,
        rotate: true,
        samples: 4,
        quota: { right: 2, wrong: 2, round: 2, budget: 10 },
        unit: 5,
      },
      labels: { K: 3, mode: 'full', closure: 'none', relabel: true, heldOut: 0.2, paths: 30 },
      prm: { targets: 'soft', train: { lora: {} } },
      pairs: { chosenGate: 'none', perQuestion: null, nllRows: false, gold: true },
      align: { start: 'base', gold: 0.5, train: { lora: {}, tokens: 20_000 } },
      evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] },
    });
    const { rounds } = await runLoop({ config, out: join(folder, 'paper'), backend, tasks });
    expect(rounds[2]?.counts['1-samples']?.drawn).toBeGreaterThan(48);
    expect(rounds[2]?.pairs?.questions).toBeGreaterThan(12);
  });

  it('asks the simulator in its own chat template', async () => {
    const asked = new Map<string, Set<string>>();
    const chatting: Backend = {
      ...backend,
      openPolicy: async (source) => {
        const policy = await backend.openPolicy(source);
        const generate = policy.generate.bind(policy);
        const name = source.model === 'helper' ? 'helper' : 'own';
        return Object.assign(policy, {
          chatPrompt: async (messages: readonly { readonly content: string }[]) =>
            `<${name}>Q: ${messages.at(-1)?.content.split('\n').at(-1)}\nA:\n`,
          generate: (...[requests, ...rest]: Parameters<typeof generate>) => {
            const starts = asked.get(name) ?? new Set();
            for (const { context } of requests) starts.add(String(context[0]).slice(0, 4));
            asked.set(name, starts);
            return generate(requests, ...rest);
          },
        });
      },
    };
    const config = configWith({ model: 'base', simulator: 'helper', prompt: { style: 'chat' }, iterations: 1 });
    const { rounds } = await runLoop({ config, out: join(folder, 'chat-helper'), backend: chatting, tasks });
    expect(rounds[1]?.counts['2-step-labels']?.['rollouts:right']).toBeGreaterThan(0);
    expect([...(asked.get('helper') ?? [])]).toEqual(['<hel']);
    expect([...(asked.get('own') ?? [])]).toEqual(['<own']);
  });

  it('scores by a probe in place of a PRM, keeps it, and copies it to another run', async () => {
    const out = join(folder, 'probe');
    const config = configWith({ iterations: 1, score: { scorer: 'probe' }, probe: { layers: [2, 4] } });
    const seen: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent) => event.stage === '3-probe' && seen.push(event);
    const { rounds } = await runLoop({ config, out, backend, tasks, onProgress });
    const round = join(out, 'iteration-1');
    expect(existsSync(join(round, '3-prm'))).toBe(false);
    const probe = Probe.parse(JSON.parse(readFileSync(join(round, '3-probe.json'), 'utf8')));
    expect(probe).toMatchObject({ layers: [2, 4], model: rounds[0]?.policy });
    const [, first] = rounds;
    expect(first?.scores?.aucOutcome.scores?.value).toBeGreaterThan(0.8);
    expect(first?.pairs?.pairs).toBeGreaterThan(0);
    expect(first?.counts['3-probe']?.steps).toBe(probe.steps);
    const read = ['3-probe', '4-scores'].map((stage) => first?.counts[stage]?.scoredTokens ?? 0);
    expect(Math.min(...read)).toBeGreaterThan(0);
    expect(first?.cost.scoredTokens).toBe(read[0]! + read[1]!);
    expect(seen.at(-1)?.done).toBe(seen[0]?.total);
    const begun = async (where: string, change: ConfigInput, fromRun?: string) => {
      const events: LogEvent[] = [];
      const log = (event: LogEvent) => events.push(event);
      await runLoop({ config: parseConfig({ ...config, ...change }), out: where, fromRun, backend, tasks, log });
      return events.filter(({ type }) => type === 'stage-start').map(({ stage, iteration }) => `${iteration}/${stage}`);
    };
    expect(await begun(out, {})).toEqual([]);
    const other = join(folder, 'probe-copied');
    expect((await begun(other, { pairs: { eta: 0.05 } }, out))[0]).toBe('1/5-pairs');
    expect(readFileSync(join(other, 'iteration-1', '3-probe.json'))).toEqual(readFileSync(join(round, '3-probe.json')));
    expect((await begun(join(folder, 'probe-layer'), { probe: { layers: [1] } }, out))[0]).toBe('1/3-probe');
  });

  it('probes the verifier where there is one', async () => {
    const out = join(folder, 'probe-verifier');
    const config = configWith({ iterations: 1, score: { scorer: 'probe' }, verifier: 'larger' });
    await runLoop({ config, out, backend, tasks });
    const { hash } = await backend.describe({ model: 'larger' });
    const probe = Probe.parse(JSON.parse(readFileSync(join(out, 'iteration-1', '3-probe.json'), 'utf8')));
    expect(probe.model).toBe(hash);
  });

  it.each([
    ['sipf', { labels: { mode: 'gold-likelihood', exactChecks: true }, pairs: { chosenGate: 'exact', eta: 0.01 } }],
    ['online-rft', { pairs: { chosenGate: 'sound' } }],
  ] as const)('learns from no path with a false equation: %s with %o', async (method, signals) => {
    // Some right answers stand below a false equation.
    const write = (args: WriteArgs) => {
      const beside = args.prefix === '' && args.random.next() < 0.3 ? '1+1=3\n' : '';
      return beside + writeSum(args);
    };
    const slipping = createScriptedBackend({ write, score: scoreSum });
    const out = join(folder, `signals-${method}`);
    const config = configWith({ ...signals, method, iterations: 1 });
    const { rounds } = await runLoop({ config, out, backend: slipping, tasks });
    expect(rounds[1]?.pairs?.refusedRight).toBeGreaterThan(0);
    let rows = 0;
    for await (const { chosen } of (await readRun(out)).pairs(1)) {
      rows += 1;
      for (const step of chosen.steps) expect(sumsTask.equationsHold(step)).not.toBe(false);
    }
    expect(rows).toBeGreaterThan(0);
  });

  it('trains a PRM on denoised labels, with exact checks', async () => {
    const labels = { K: 4, exactChecks: true, ownWitness: true };
    const config = configWith({ iterations: 1, labels, prm: { denoise: {} } });
    const out = join(folder, 'denoised');
    const { rounds } = await runLoop({ config, out, backend, tasks });
    const counts = rounds[1]?.counts['2-step-labels'];
    expect(counts?.stepsSettled).toBeGreaterThan(0);
    expect(counts?.rolloutsSaved).toBeGreaterThan(0);
    expect((await readRun(out)).rounds[1]?.prm?.counts).toHaveProperty('hopelessPaths');
  });

  it('refuses a changed configuration, naming the keys, and copies unchanged stages on request', async () => {
    const out = join(folder, 'sipf');
    const changed = configWith({ align: { loss: { lambda: 0.5 } } });
    await expect(runLoop({ config: changed, out, backend, tasks })).rejects.toMatchObject({ code: 'config-changed' });
    await expect(runLoop({ config: changed, out, backend, tasks })).rejects.toThrow(
      /align\.loss\.lambda: 0\.1 -> 0\.5/,
    );
    const events: LogEvent[] = [];
    await runLoop({
      config: changed,
      out: join(folder, 'changed'),
      fromRun: out,
      backend,
      tasks,
      log: (event) => events.push(event),
    });
    const names = (type: string) =>
      events.filter((event) => event.type === type).map(({ stage, iteration }) => `${iteration}/${stage}`);
    expect(names('stage-skipped')).toContain('1/5-pairs');
    expect(names('stage-skipped')).toContain('0/6-policy');
    expect(names('stage-start')[0]).toBe('1/6-policy');
  });

  it('takes another configuration where no stage had finished, so that a mistake can be fixed in place', async () => {
    const out = join(folder, 'fixed');
    const wrong = configWith();
    let made = 0;
    // The first model is the one that the run is checked with.
    const refusing: Backend = {
      ...backend,
      initModel: (...args) => {
        made += 1;
        if (made > 1) throw new SipfError('bad-input', 'Expected a tokenizer.');
        return backend.initModel(...args);
      },
    };
    await expect(runLoop({ config: wrong, out, backend: refusing, tasks })).rejects.toThrow('Expected a tokenizer');
    const right = configWith({ iterations: 0 });
    await runLoop({ config: right, out, backend, tasks });
    const stored = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as { config: Config };
    expect(stored.config.iterations).toBe(0);
    await expect(runLoop({ config: wrong, out, backend, tasks })).rejects.toMatchObject({ code: 'config-changed' });
  });

  it('says how many questions of a test set were train questions', async () => {
    const warnings: string[] = [];
    const leaking = () => ({ ...sumsTask, load: (of: LoadOptions) => sumsTask.load({ ...of, split: 'train' }) });
    await runLoop({
      config: configWith({ iterations: 0, evaluate: { sets: [], final: [{ split: 'test', limit: 40 }] } }),
      out: join(folder, 'leak'),
      backend,
      tasks: leaking,
      log: ({ type, message }) => type === 'warning' && warnings.push(message ?? ''),
    });
    expect(
      warnings.filter((warning) => /30 of 40 questions of sums\/test are train questions/.test(warning)),
    ).toHaveLength(1);
  });

  it('names a corrupted output', async () => {
    const out = join(folder, 'corrupt');
    const config = configWith({ iterations: 1, evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [] } });
    await runLoop({ config, out, backend, tasks });
    await writeFile(join(out, 'iteration-1/1-samples.jsonl'), '{}\n');
    await expect(runLoop({ config, out, backend, tasks })).rejects.toThrow(
      /Expected .*1-samples\.jsonl as its stage wrote it/,
    );
  });

  it('refuses a second writer', async () => {
    const out = join(folder, 'locked');
    await mkdir(out);
    await using _lock = await takeLock(nodeDisk, out);
    await expect(runLoop({ config: configWith(), out, backend, tasks })).rejects.toMatchObject({ code: 'locked' });
  });

  it('stops on request and continues later', async () => {
    const out = join(folder, 'stopped');
    const stop = new AbortController();
    const config = configWith({ iterations: 1 });
    const onProgress = ({ stage }: ProgressEvent) => stage === '2-step-labels' && stop.abort();
    await expect(runLoop({ config, out, backend, tasks, signal: stop.signal, onProgress })).rejects.toMatchObject({
      code: 'aborted',
    });
    const { rounds } = await runLoop({ config, out, backend, tasks });
    expect(rounds).toHaveLength(2);
  });

  it('says what to do when no pair is left', async () => {
    const config = configWith({ pairs: { eta: 5 } });
    await expect(runLoop({ config, out: join(folder, 'no-pairs'), backend, tasks })).rejects.toMatchObject({
      code: 'nothing-left',
    });
  });

  it("warns of what is odd about the models' files, in the log and in events.jsonl", async () => {
    const odd: typeof backend = {
      ...backend,
      describe: async (source) => ({ ...(await backend.describe(source)), warnings: [`${source.model} is odd.`] }),
    };
    const out = join(folder, 'odd');
    const config = configWith({ model: 'base', simulator: 'helper', verifier: 'larger', iterations: 0 });
    const warnings: string[] = [];
    const log = ({ type, message }: LogEvent) => void (type === 'warning' && warnings.push(message ?? ''));
    await runLoop({ config, out, backend: odd, tasks, log });
    expect(warnings.slice(0, 3)).toEqual(['base is odd.', 'helper is odd.', 'larger is odd.']);
    expect(await readFile(join(out, 'events.jsonl'), 'utf8')).toContain('"message":"base is odd."');
  });

  describe('with another engine', () => {
    const served = { kind: 'openai', url: 'http://localhost:8000/v1', model: 'policy' };
    const { engine } = parseConfig({ engine: { threads: 3, sampler: served } });
    const keptIn = async (out: string) =>
      JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as { config: object; engine: object };

    async function resume(out: string, config: Config): Promise<string[]> {
      const warnings: string[] = [];
      const log = ({ type, message }: LogEvent) => void (type === 'warning' && warnings.push(message ?? ''));
      await runLoop({ config, out, backend, tasks, log });
      return warnings;
    }

    /** A run that ended in its first labels. */
    async function breakInLabels(out: string, config: Config): Promise<void> {
      let stage = '';
      const log = (event: LogEvent) => {
        if (event.type === 'stage-start') stage = `iteration-${event.iteration}/${event.stage}`;
      };
      const onWork = (what: string) => {
        if (stage.endsWith('2-step-labels') && what.startsWith('completion')) throw new Error('broken');
      };
      const failing = createScriptedBackend({ write: writeSum, score: scoreSum, onWork });
      await expect(runLoop({ config, out, backend: failing, tasks, log })).rejects.toThrow('broken');
    }

    it('says nothing of a setting that the run is older than', async () => {
      const out = join(folder, 'older');
      const config = configWith({ model: 'base', iterations: 1 });
      await breakInLabels(out, config);
      const stored = await keptIn(out);
      await writeFile(
        join(out, 'config.json'),
        JSON.stringify({ ...stored, engine: { ...stored.engine, trainer: undefined } }),
      );
      expect(await resume(out, config)).not.toContainEqual(expect.stringContaining('engine'));
    });

    it('continues, says what was drawn by which sampler, and keeps the new one', async () => {
      const out = join(folder, 'elsewhere');
      const config = configWith({ model: 'base', iterations: 1 });
      await breakInLabels(out, config);
      const first = await keptIn(out);
      const warnings = await resume(out, { ...config, engine });
      expect(warnings).toContainEqual(expect.stringContaining('engine.threads null and continues with 3'));
      const drawn = warnings.filter((message) => message.includes('engine.sampler'));
      expect(drawn).toEqual([
        expect.stringMatching(
          /^All that is stored up to iteration-1\/2-step-labels was drawn with engine\.sampler null; what follows is drawn with engine\.sampler \{.*"url":"http:\/\/localhost:8000\/v1"/,
        ),
      ]);
      expect(await keptIn(out)).toEqual({ ...first, engine });
      expect(first.config).not.toHaveProperty('engine');
      expect((await configOfRun(out))?.engine).toEqual(engine);
    });

    it('keeps where it was executed when nothing is left to do', async () => {
      const out = join(folder, 'finished');
      const config = configWith({ model: 'base', iterations: 0 });
      await runLoop({ config, out, backend, tasks });
      const first = await readFile(join(out, 'config.json'), 'utf8');
      expect(await resume(out, { ...config, engine })).not.toContainEqual(expect.stringContaining('engine'));
      expect(await readFile(join(out, 'config.json'), 'utf8')).toBe(first);
    });
  });

  it('warns when every sample is wrong', async () => {
    const always = createScriptedBackend({
      write: ({ random }) => `1+1=2\n2+${1 + random.int(0, 8)}=3\nThe answer is -1`,
      score: scoreSum,
    });
    const warnings: string[] = [];
    const config = configWith({ iterations: 1, pairs: { chosenGate: 'none', eta: 0.01 } });
    await runLoop({
      config,
      out: join(folder, 'wrong'),
      backend: always,
      tasks,
      log: ({ type, message }) => type === 'warning' && warnings.push(message ?? ''),
    });
    expect(warnings.join('\n')).toMatch(/Every sample is wrong/);
  });
});
