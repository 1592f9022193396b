// A run that grows, breaks, is cached or has labels by hand -> what an open run says of it.
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RandomRound, type RandomRun, randomRun, writeRound, writeRun } from '../../test/random-run.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import { slowPaths, slowQuestions } from '../../test/slow-run.ts';
import { sized } from '../../test/tier.ts';
import { nodeDisk } from '../io/files.ts';
import { RunIndex } from '../pipeline/run-index/run-index.ts';
import { readRun } from '../pipeline/run-reader.ts';
import { createRandom } from '../random.ts';
import { Journal, journalPath } from '../run/journal.ts';
import { takeLock } from '../run/lock.ts';
import type { OpenRun } from './open-run.ts';
import { openRun } from './open-run-index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-open-run-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const open = (dir: string): Promise<OpenRun> => openRun(dir, { cache: folder, tasks: () => sumsTask });
const LIST = { sort: 'file', descending: false, offset: 0, limit: 99 } as const;
const slowList = (run: RandomRun, round: number) =>
  slowQuestions(run, { round, filter: {}, sort: 'file', descending: false });

/** A run of two rounds at least, with all their stages. */
function wholeRun(key: string): RandomRun {
  for (let i = 0; ; i += 1) {
    const run = randomRun(`${key}/${i}`);
    const isWhole = run.rounds.every(
      ({ labels, scores, pairs }) => labels !== null && scores !== null && pairs?.length,
    );
    if (run.rounds.length >= 2 && isWhole) return run;
  }
}

describe('a run that goes on', () => {
  it('reads a new round, and its version grows', async () => {
    const run = wholeRun('live');
    const dir = join(folder, 'live');
    const [first] = run.rounds;
    await writeRun(dir, { ...run, rounds: [first!] });
    await using opened = await open(dir);
    await opened.ready();
    const before = await opened.head();
    expect((await opened.questions({ round: 1, ...LIST })).questions).toEqual(slowList(run, 1));
    expect((await opened.head()).version).toBe(before.version);
    await writeRound(dir, 2, run.rounds[1]!);
    await opened.ready();
    const after = await opened.head();
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.indexed.bytes).toBe(after.indexed.of);
    expect((await opened.questions({ round: 2, ...LIST })).questions).toEqual(slowList(run, 2));
  });

  it('reads all again where a file is another', async () => {
    const run = wholeRun('again');
    const other = { ...run, rounds: [...run.rounds.slice(1, 2), ...run.rounds.slice(1)] };
    const dir = join(folder, 'again');
    await writeRun(dir, run);
    await using opened = await open(dir);
    await opened.ready();
    const renamed = run.rounds[0]!.samples.map((sample) => ({
      ...sample,
      tokens: sample.tokens + 1,
      id: `new ${sample.id}`,
    }));
    const changed = { ...other, rounds: [{ samples: renamed, labels: null, scores: null, pairs: null }] };
    await rm(dir, { recursive: true });
    await writeRun(dir, changed);
    await opened.ready();
    expect((await opened.questions({ round: 1, ...LIST })).questions).toEqual(slowList(changed, 1));
    expect((await opened.head()).faults).toEqual([]);
  });

  it('is another run in the same place, with the path scores and the task of that one', async () => {
    const run = wholeRun('place');
    const dir = join(folder, 'place');
    await writeRun(dir, run);
    await using opened = await openRun(dir, { cache: folder, tasks: (name) => ({ ...sumsTask, name }) });
    await opened.ready();
    const { version } = await opened.head();
    const config = { ...run.config, score: { ...run.config.score, path: 'product' as const } };
    const other = { ...run, config: { ...config, task: { ...config.task, name: 'other' } } };
    await rm(dir, { recursive: true });
    await writeRun(dir, other);
    await opened.ready();
    expect((await opened.head()).version).toBeGreaterThan(version);
    expect(opened.task?.name).toBe('other');
    const { questions } = await opened.questions({ round: 1, ...LIST });
    expect(questions).toEqual(slowList(other, 1));
    expect(questions).not.toEqual(slowList(run, 1));
  });

  it('says what it does, by its lock, its events and its journal', async () => {
    const run = wholeRun('now');
    const dir = join(folder, 'now');
    await writeRun(dir, run);
    const k = run.rounds.length + 1;
    const event = (type: string, stage: string, data = {}) =>
      `${JSON.stringify({ time: '', type, stage, iteration: k, data })}\n`;
    await writeFile(join(dir, 'events.jsonl'), event('stage-start', '1-samples'));
    await using opened = await open(dir);
    await opened.ready();
    expect((await opened.head()).now).toBeNull();
    await using _lock = await takeLock(nodeDisk, dir);
    const { version, now } = await opened.head();
    const total = Math.ceil(run.questions.length / run.config.sampling.unit);
    expect(now).toEqual({ stage: '1-samples', iteration: k, done: 1, total });
    await appendFile(join(dir, `iteration-${k}`, 'done', '1-samples.journal.jsonl'), 'ords":[],"counts":{}}\n{');
    expect(await opened.head()).toMatchObject({ now: { done: 2 } });
    const more = event('stage-end', '1-samples') + event('stage-start', '3-prm');
    await appendFile(
      join(dir, 'events.jsonl'),
      `${more}${event('train-step', '3-prm', { step: 4, steps: 9 })}{"type":"sta`,
    );
    const later = await opened.head();
    expect(later.now).toEqual({ stage: '3-prm', iteration: k, done: 5, total: 9 });
    expect(later.version).toBeGreaterThan(version);
    await appendFile(join(dir, 'events.jsonl'), `ge"}\n${event('error', '3-prm')}`);
    expect((await opened.head()).now).toEqual({ stage: null, iteration: 0, done: null, total: null });
  });
});

describe('a broken run', () => {
  it('names file and line of what is wrong, and shows the rest', async () => {
    const run = wholeRun('broken');
    const dir = join(folder, 'broken');
    await writeRun(dir, run);
    const file = join(dir, 'iteration-1', '1-samples.jsonl');
    const lines = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => Buffer.from(`${line}\n`));
    const wrong: readonly (readonly [line: string | Buffer, said: string])[] = [
      ['{"id":\n', 'one JSON object'],
      ['[]\n', 'an object'],
      ['{"id":"x","questionId":"nobody"}\n', 'a question of the run'],
      ['\ufffe\n', 'one JSON object'],
      [
        '{"id":"y","questionId":"q/0","tokens":1,"steps":["s"],"outcome":{"kind":"wrong","reason":"__proto__"}}\n',
        'an outcome',
      ],
      [Buffer.from([0xff, 0x0a]), 'UTF-8'],
      ['{"torn":"li', 'one JSON object'],
    ];
    // A wrong line behind each of the first ones, and the torn one at the end.
    const parts = wrong.map(([line]) => Buffer.from(line as string));
    const torn = parts.pop()!;
    const mixed = lines.flatMap((line, i) => [line, ...parts.slice(i, i + 1)]);
    await writeFile(file, Buffer.concat([...mixed, torn]));
    await using opened = await open(dir);
    await opened.ready();
    const { faults } = await opened.head();
    const places = [2, 4, 6, 8, 10, 12, mixed.length + 1];
    for (const [i, [, said]] of wrong.entries())
      expect(faults[i]).toMatch(new RegExp(`^iteration-1/1-samples\\.jsonl, line ${places[i]}: Expected ${said}`));
    expect(faults).toHaveLength(wrong.length);
    const { questions } = await opened.questions({ round: 1, ...LIST });
    expect(questions).toEqual(slowList(run, 1));
    for (const { id, paths } of questions) expect((await opened.question({ round: 1, id })).paths).toHaveLength(paths);
    const view = await readRun(dir);
    expect(await view.faults()).toEqual(faults);
    expect(await view.questionIds(1)).toEqual(questions.map(({ id }) => id));
  });

  it('keeps the first of many faults, and counts the others', async () => {
    const run = wholeRun('many');
    const dir = join(folder, 'many');
    await writeRun(dir, run);
    await writeFile(join(dir, 'iteration-1', '2-step-labels.jsonl'), 'x\n'.repeat(50));
    await using opened = await open(dir);
    await opened.ready();
    const { faults } = await opened.head();
    expect(faults).toHaveLength(21);
    // Those of the rollouts that these labels had, too.
    expect(Number(/^(\d+) more lines/.exec(faults[20]!)?.[1])).toBeGreaterThanOrEqual(30);
  });

  it('answers from a file as it is now, whatever was there', async () => {
    const run = wholeRun('changed');
    const dir = join(folder, 'changed');
    await writeRun(dir, run);
    await using opened = await open(dir);
    await opened.ready();
    const [{ questionId: id, id: sample } = { questionId: '', id: '' }] = run.rounds[0]!.samples;
    const samples = run.rounds[0]!.samples.map((own) => ({ ...own, extracted: 'changed' }));
    const rounds = [{ ...run.rounds[0]!, samples }, ...run.rounds.slice(1)];
    await writeRun(dir, { ...run, rounds }, 'changed');
    const { paths } = await opened.question({ round: 1, id });
    expect(paths.find((path) => path.sample.id === sample)?.sample.extracted).toBe('changed');
    await writeFile(join(dir, 'iteration-1', '1-samples.jsonl'), 'x');
    await expect(opened.question({ round: 1, id })).rejects.toMatchObject({ code: 'not-found' });
    expect((await opened.head()).faults[0]).toMatch(/1-samples\.jsonl, line 1: Expected one JSON object/);
  });

  it('is shown with a report that is no JSON', async () => {
    const run = wholeRun('report');
    const dir = join(folder, 'report');
    await writeRun(dir, run);
    await using opened = await open(dir);
    await writeFile(join(dir, 'iteration-1', '7-eval.json'), '{');
    const { faults } = await opened.head();
    expect(faults.join()).toMatch(/7-eval\.json/);
    await rm(join(dir, 'iteration-1', '7-eval.json'));
    expect((await opened.head()).faults).toEqual([]);
  });

  it('has no task of that name: steps are not checked, and it says so', async () => {
    const run = randomRun('task', { task: { name: 'unheard-of' } });
    const dir = join(folder, 'task');
    await writeRun(dir, run);
    await using opened = await openRun(dir, { cache: folder });
    expect((await opened.head()).faults.join()).toMatch(/^Steps are not checked: Expected a task/);
  });
});

describe('a stage at work', () => {
  const KINDS = [
    ['samples', '1-samples'],
    ['labels', '2-step-labels'],
    ['scores', '4-scores'],
  ] as const;

  it.each(Array.from({ length: sized(3, 40) }, (_, i) => i))(
    'shows what its journal has, then the file that it becomes: run %i',
    async (seed) => {
      const random = createRandom(`journal/${seed}`);
      const run = wholeRun(`journal/${seed}`);
      const dir = join(folder, `journal-${seed}`);
      const [first, last] = run.rounds as [RandomRound, RandomRound];
      await writeRun(dir, { ...run, rounds: [first] });
      await using opened = await open(dir);
      let now: RandomRound = { samples: [], labels: null, scores: null, pairs: null };
      const expectShown = async () => {
        await opened.ready();
        const records = { ...run, rounds: [first, now] };
        expect((await opened.questions({ round: 2, ...LIST })).questions).toEqual(slowList(records, 2));
        const question = random.pick(run.questions);
        const paths = slowPaths(records, 2, question);
        const shown = await opened.question({ round: 2, id: question.id }).catch(() => ({ paths: [] }));
        expect(shown.paths.map(({ sample, pathScore }) => ({ sample, pathScore }))).toEqual(
          paths.map(({ sample, pathScore }) => ({ sample, pathScore })),
        );
        expect((await opened.head()).faults).toEqual([]);
      };
      for (const [field, kind] of KINDS) {
        const records = last[field] ?? [];
        const file = join(dir, 'iteration-2', `${kind}.jsonl`);
        const path = journalPath(dir, { folder: 'iteration-2', name: kind, iteration: 2 });
        await mkdir(dirname(path), { recursive: true });
        const journal = await Journal.open(nodeDisk, path, 'inputs', false);
        for (let at = 0; at < records.length; ) {
          const unit = records.slice(at, at + random.int(0, 9));
          await journal.add({ records: unit, counts: {} });
          at += unit.length;
          now = { ...now, [field]: records.slice(0, at) };
          if (random.next() < 0.3) await expectShown();
        }
        const size = (await stat(path)).size;
        await appendFile(path, '{"unit":99,"records":[{"id":');
        await expectShown();
        await truncate(path, size);
        await writeFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
        if (seed % 2 === 1) await expectShown();
        await rm(path);
        // Before any look.
        for (const { id } of run.questions.slice(0, 3))
          await opened.question({ round: 2, id }).catch((error) => expect(error).toMatchObject({ code: 'not-found' }));
        await expectShown();
      }
    },
  );
});

describe('unknown names', () => {
  it.each(['../../etc/passwd', '__proto__/9', 'toString', 'q\n0', '\0', ''])('are not found: %j', async (name) => {
    const run = randomRun('names');
    const dir = join(folder, 'names');
    await writeRun(dir, run);
    await using opened = await open(dir);
    const missing = { code: 'not-found' };
    if (!run.questions.some(({ id }) => id === name))
      await expect(opened.question({ round: 1, id: name })).rejects.toMatchObject(missing);
    await expect(opened.rollouts({ round: 1, sample: name, step: 0 })).rejects.toMatchObject(missing);
    await expect(opened.tokens({ round: 1, sample: name })).rejects.toMatchObject(missing);
    await expect(opened.label({ sampleId: name, step: 0, label: 'good' })).rejects.toMatchObject(missing);
    await expect(opened.pair({ round: 1, index: 9999 })).rejects.toMatchObject(missing);
    await expect(opened.pair({ round: 1, index: -1 })).rejects.toMatchObject(missing);
    await expect(opened.pairs({ round: 99, offset: 0, limit: 1 })).rejects.toMatchObject(missing);
    await expect(opened.questions({ round: -1, ...LIST })).rejects.toMatchObject(missing);
  });
});

describe('rollouts', () => {
  it('are those of a step of the latest labels', async () => {
    const run = wholeRun('rollouts');
    const dir = join(folder, 'rollouts');
    await writeRun(dir, run);
    await using opened = await open(dir);
    for (const { sampleId, rollouts = [], steps } of run.rounds[0]!.labels ?? []) {
      for (const step of steps.keys()) {
        const own = rollouts.filter(({ id }) => id.startsWith(`${sampleId}/1.${step}.`));
        expect((await opened.rollouts({ round: 1, sample: sampleId, step })).rollouts).toEqual(own);
      }
      const beyond = opened.rollouts({ round: 1, sample: sampleId, step: steps.length });
      await expect(beyond).rejects.toMatchObject({ code: 'not-found' });
    }
  });
});

describe('labels by hand', () => {
  it('are appended, read by every process, taken back, and no part of the run', async () => {
    const run = wholeRun('human');
    const dir = join(folder, 'human');
    await writeRun(dir, run);
    await using one = await open(dir);
    await using other = await open(dir);
    const [{ id: sampleId, questionId } = { id: '', questionId: '' }] = run.rounds[0]!.samples;
    const { version } = await other.head();
    const { label } = await one.label({ sampleId, step: 0, label: 'good', note: 'line\nfeed' });
    // A process was killed in the middle of a line.
    await appendFile(join(dir, 'human-labels.jsonl'), '{"sampleId":"to');
    await Promise.all([one, other].map((opened) => opened.label({ sampleId, step: 0, label: 'bad' })));
    expect(await one.humanLabels()).toMatchObject([{ sampleId, step: 0, label: 'bad' }]);
    const head = await other.head();
    expect(head.version).toBeGreaterThan(version);
    expect(head.faults).toEqual([expect.stringMatching(/^human-labels\.jsonl, line 2: Expected/)]);
    const { paths } = await other.question({ round: 1, id: questionId });
    expect(paths.find(({ sample }) => sample.id === sampleId)?.human[0]).toMatchObject({ label: 'bad' });
    const agreement = await other.humanAgreement(1);
    expect(agreement.map((one) => one.with)).toEqual(['scores', 'tallies', 'exact checks']);
    await other.label({ sampleId, step: 0, label: null });
    expect(await one.humanLabels()).toEqual([]);
    expect(label).toMatchObject({ sampleId, step: 0, label: 'good', note: 'line\nfeed' });
    await expect(one.label({ sampleId, step: 99, label: 'good' })).rejects.toMatchObject({ code: 'not-found' });
    await expect(one.label({ sampleId, step: 0, label: 'good', note: 'x'.repeat(3000) })).rejects.toMatchObject({
      code: 'bad-input',
    });
  });

  it('are in a file of the run alone: no link leads a writer out of it', async () => {
    const run = wholeRun('human-link');
    const dir = join(folder, 'human-link');
    await writeRun(dir, run);
    const [{ id: sampleId } = { id: '' }] = run.rounds[0]!.samples;
    const [path, elsewhere] = [join(dir, 'human-labels.jsonl'), join(folder, 'elsewhere')];
    await symlink(elsewhere, path);
    await using opened = await open(dir);
    const label = () => opened.label({ sampleId, step: 0, label: 'good' });
    await expect(label()).rejects.toMatchObject({ code: 'write-failed', message: expect.stringContaining(path) });
    expect(await readdir(folder)).not.toContain('elsewhere');
    await rm(path);
    await mkdir(path);
    await expect(label()).rejects.toMatchObject({ code: 'write-failed' });
    expect((await opened.head()).faults).toEqual([expect.stringContaining(path)]);
    await rm(path, { recursive: true });
    await label();
    expect((await opened.head()).faults).toEqual([]);
  });
});

describe('the cache', () => {
  /** With a question of 17 MB: smaller runs are not cached. */
  async function largeRun(name: string): Promise<{ run: RandomRun; dir: string; cache: string }> {
    const run = wholeRun(name);
    const dir = join(folder, name);
    const large = { ...run.questions[0]!, id: 'large', question: 'x'.repeat(17 << 20) };
    const whole = { ...run, questions: [...run.questions, large] };
    await writeRun(dir, whole);
    return { run: whole, dir, cache: join(folder, `${name}-cache`) };
  }
  const openWith = async (dir: string, cache: string) => {
    const opened = await openRun(dir, { cache, tasks: () => sumsTask });
    await opened.ready();
    return opened;
  };

  it('gives the same answers, and makes itself anew where it is damaged, older or of other records', async () => {
    const { run, dir, cache } = await largeRun('cache');
    const expected = slowList(run, 2);
    const list = async () => {
      await using opened = await openWith(dir, cache);
      return (await opened.questions({ round: 2, ...LIST })).questions;
    };
    expect(await list()).toEqual(expected);
    const [name = ''] = await readdir(join(cache, 'runs'));
    const path = join(cache, 'runs', name);
    const stored = await readFile(path);
    expect(await list()).toEqual(expected);
    const flipped = Buffer.from(stored);
    flipped[flipped.length >> 1]! ^= 1;
    for (const damaged of [flipped, stored.subarray(0, 1000), Buffer.alloc(0), Buffer.from('no index')]) {
      await writeFile(path, damaged);
      expect(await list()).toEqual(expected);
      expect(await readFile(path)).toEqual(stored);
    }
  });

  it('is read where it is whole: records that are as they were are not read again', async () => {
    const { run, dir, cache } = await largeRun('kept');
    await (await openWith(dir, cache))[Symbol.asyncDispose]();
    // The same size and time: only reading it would tell.
    const file = join(dir, 'iteration-0', '0-questions.jsonl');
    const time = new Date(1e12);
    await utimes(file, time, time);
    await (await openWith(dir, cache))[Symbol.asyncDispose]();
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"id":"large"', '"id":"LARGE"'));
    await utimes(file, time, time);
    await using opened = await openWith(dir, cache);
    expect((await opened.questions({ round: 1, ...LIST })).questions).toEqual(slowList(run, 1));
    expect((await opened.head()).faults).toEqual([]);
    await rm(join(cache, 'runs'), { recursive: true });
    await using anew = await openWith(dir, cache);
    const found = anew.question({ round: 1, id: 'large' });
    await expect(found).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is not written by a reading that was stopped', async () => {
    const { run, dir, cache } = await largeRun('stopped');
    const [large] = run.questions.slice(-1);
    await writeRun(dir, { ...run, questions: [...run.questions, { ...large!, id: 'as large' }] });
    const stop = new AbortController();
    const index = new RunIndex(dir, run.config, { cache, signal: stop.signal });
    const reading = index.refresh();
    reading.catch(() => undefined);
    // As much as is stored, and not all.
    while (index.bytes.read < 17 << 20) await setImmediate();
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
    await expect(readdir(join(cache, 'runs'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('of a run that is gone, or of another version, is deleted when one is written', async () => {
    const [gone, kept] = [await largeRun('gone'), await largeRun('stays')];
    const folderOf = join(kept.cache, 'runs');
    for (const { dir } of [gone, kept]) await (await openWith(dir, kept.cache))[Symbol.asyncDispose]();
    const both = await readdir(folderOf);
    expect(both).toHaveLength(2);
    await writeFile(join(folderOf, 'older.index'), 'of an older version');
    await writeFile(join(folderOf, 'notes.txt'), 'no index');
    await rm(gone.dir, { recursive: true });
    await writeRun(kept.dir, kept.run);
    await (await openWith(kept.dir, kept.cache))[Symbol.asyncDispose]();
    const names = await readdir(folderOf);
    expect(names).toHaveLength(2);
    expect(names).toContain('notes.txt');
    expect(both).toEqual(expect.arrayContaining(names.filter((name) => name.endsWith('.index'))));
  });

  it('costs time and no answer where its folder is closed', async () => {
    const { run, dir } = await largeRun('closed');
    const cache = join(dir, 'config.json');
    await using opened = await openWith(dir, cache);
    expect((await opened.questions({ round: 1, ...LIST })).questions).toEqual(slowList(run, 1));
    expect((await opened.head()).faults.join()).toMatch(
      /^The index of this run is not kept\. Expected to make the folder/,
    );
  });

  it('may be written by two at once', async () => {
    const { run, dir, cache } = await largeRun('two');
    const both = await Promise.all([openWith(dir, cache), openWith(dir, cache)]);
    for (const opened of [...both, await openWith(dir, cache)]) {
      expect((await opened.questions({ round: 2, ...LIST })).questions).toEqual(slowList(run, 2));
      await opened[Symbol.asyncDispose]();
    }
  });
});
