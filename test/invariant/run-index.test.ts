// Random runs -> every answer of the run index equals that of a slow reading of the same records.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRun } from '../../src/pipeline/run-reader.ts';
import { createRandom, type Random } from '../../src/random.ts';
import type { Task } from '../../src/task.ts';
import type { PathFilter, QuestionRow } from '../../src/viewer/api.ts';
import type { OpenRun, QuestionSort } from '../../src/viewer/open-run.ts';
import { openRun } from '../../src/viewer/open-run-index.ts';
import { artefacts } from '../e2e/run-files.ts';
import { scriptedRun } from '../e2e/scripted-run.ts';
import { type RandomRun, randomRun, writeRun } from '../random-run.ts';
import { sumsTask } from '../scripted-sums.ts';
import { slowPaths, slowQuestions, slowTruth } from '../slow-run.ts';
import { sized } from '../tier.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-run-index-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const task: Task = { ...sumsTask, trueSteps: (_, steps) => slowTruth(steps) as boolean[] };
const SORTS: readonly QuestionSort[] = ['file', 'score', 'spread', 'right', 'paths', 'tokens'];
const LISTS = ['false-step', 'low-right', 'high-wrong', 'disagree', 'unscorable'] as const;
const PARTS = [
  'σοφος',
  'STRASSE',
  'straße',
  '"no" \\',
  'yes/no',
  '\tand\n',
  '\ud83d',
  'é',
  'E\u0301',
  '</SCRIPT>',
  '\u202e',
  'xxxx',
  '=',
  'nowhere',
];

/** Some fields of a filter, chosen by chance. */
function randomFilter(random: Random): PathFilter {
  const all: Required<PathFilter> = {
    drawnIn: random.int(1, 3),
    outcome: random.pick(['right', 'wrong', 'error'] as const),
    reason: random.pick(['other-answer', 'no-answer', 'truncated', '__proto__']),
    scoreFrom: random.int(0, 10) / 10,
    scoreTo: random.int(0, 10) / 10,
    tokensFrom: random.int(0, 50),
    tokensTo: random.int(0, 50),
    truncated: random.next() < 0.5,
    duplicate: random.next() < 0.5,
    list: random.pick(LISTS),
    text: random.pick(PARTS),
  };
  const share = random.pick([0, 0.1, 0.2]);
  return Object.fromEntries(Object.entries(all).filter(() => random.next() < share));
}

/** The whole list, part by part. */
async function wholeList(
  run: OpenRun,
  ask: Parameters<typeof slowQuestions>[1],
  limit: number,
): Promise<QuestionRow[]> {
  const { filter, ...rest } = ask;
  const rows: QuestionRow[] = [];
  const isSearch = filter.text !== undefined || filter.list === 'false-step';
  for (let from: string | undefined; ; ) {
    const start = isSearch ? { offset: 0, ...(from === undefined ? {} : { from }) } : { offset: rows.length };
    const reply = await run.questions({ ...rest, ...filter, ...start, limit });
    rows.push(...reply.questions);
    if (isSearch) from = reply.next ?? undefined;
    if (reply.total !== null && rows.length >= reply.total) return rows;
  }
}

async function expectQuestions(
  run: OpenRun,
  records: RandomRun,
  random: Random,
  round: number,
  filter: PathFilter,
): Promise<void> {
  const ask = { round, filter, sort: random.pick(SORTS), descending: random.next() < 0.5 };
  const expected = slowQuestions(records, ask);
  const rows = await wholeList(run, ask, random.int(1, 5));
  // Sums in another order differ in their last digits; so may the order of equal means.
  const isSum = ask.sort === 'score' || ask.sort === 'tokens';
  const order = (list: readonly QuestionRow[]) => (isSum ? [...list].sort((a, b) => (a.id < b.id ? -1 : 1)) : list);
  expect({ ask, rows: order(rows) }).toEqual({ ask, rows: order(expected) });
  const counted = await run.questions({ ...ask, ...filter, offset: 0, limit: 0 });
  expect(counted.total).toBe(expected.length);
}

async function expectQuestion(run: OpenRun, records: RandomRun, round: number, place: number): Promise<void> {
  const question = records.questions[place]!;
  const paths = slowPaths(records, round, question);
  const found = run.question({ round, id: question.id });
  if (paths.length === 0) return expect(found).rejects.toMatchObject({ code: 'not-found' });
  const reply = await found;
  expect(reply.question).toEqual(question);
  expect(reply.paths.map(({ sample }) => sample)).toEqual(paths.map(({ sample }) => sample));
  for (const [i, path] of paths.entries()) {
    const { rollouts, ...labels } = path.labels ?? {};
    const view = reply.paths[i]!;
    expect(view.labels).toEqual(path.labels && labels);
    expect(view.rollouts.reduce((sum, n) => sum + n, 0)).toBe(rollouts?.length ?? 0);
    const twin = paths.findIndex(({ sample }) => JSON.stringify(sample.steps) === JSON.stringify(path.sample.steps));
    if (path.sample.source !== 'rollout') expect(view.duplicateOf).toBe(twin === i ? null : paths[twin]!.sample.id);
    expect(view.truth).toEqual(slowTruth(path.sample.steps));
    expect(view.knowsSteps).toBe(true);
    for (const field of ['scores', 'pathScore', 'hardLabels'] as const) expect(view[field]).toEqual(path[field]);
  }
  const pairs = (records.rounds[round - 1]?.pairs ?? []).map((pair, index) => ({ index, pair }));
  expect(reply.pairs).toEqual(pairs.filter(({ pair }) => pair.questionId === question.id));
  const rounds = records.rounds.flatMap(({ samples }, i) =>
    samples.some(({ questionId }) => questionId === question.id) ? [i + 1] : [],
  );
  expect(reply.rounds).toEqual(rounds);
}

async function expectPairs(run: OpenRun, { rounds, questions }: RandomRun, round: number): Promise<void> {
  const pairs = rounds[round - 1]?.pairs ?? [];
  const reply = await run.pairs({ round, offset: 1, limit: 1000 });
  expect(reply.total).toBe(pairs.length);
  const samples = rounds.flatMap((own) => [
    ...own.samples,
    ...(own.labels ?? []).flatMap((record) => record.rollouts ?? []),
  ]);
  const isRight = (id: string | undefined) => {
    const sample = samples.find((one) => one.id === id);
    return sample === undefined ? null : sample.outcome.kind === 'right';
  };
  expect(reply.pairs.map(({ question: _, ...pair }) => pair)).toEqual(
    pairs.slice(1).map(({ questionId, chosen, rejected }, i) => ({
      index: i + 1,
      questionId,
      margin: chosen.score === null || !rejected || rejected.score === null ? null : chosen.score - rejected.score,
      shared: 0,
      rightChosen: isRight(chosen.sampleId),
      rightRejected: isRight(rejected?.sampleId),
    })),
  );
  for (const alone of [true, false]) {
    const part = await run.pairs({ round, offset: 0, limit: 1000, alone });
    const expected = pairs.flatMap(({ rejected }, index) => ((rejected === null) === alone ? [index] : []));
    expect(part.pairs.map(({ index }) => index)).toEqual(expected);
    expect(part.total).toBe(expected.length);
  }
  for (const [index, pair] of pairs.entries()) {
    const view = await run.pair({ round, index });
    expect(view.pair).toEqual(pair);
    expect(view.question).toEqual(questions.find(({ id }) => id === pair.questionId));
    expect(view.chosen?.sample.id).toBe(pair.chosen.sampleId);
    expect(view.rejected?.sample.id).toBe(pair.rejected?.sampleId);
  }
}

describe('a run of the loop', () => {
  it('is read as it is, and goes on beside labels by hand', async () => {
    const dir = join(folder, 'loop');
    await scriptedRun({ out: dir });
    const before = await artefacts(dir);
    {
      await using run = await openRun(dir, { cache: folder, tasks: () => sumsTask });
      await run.ready();
      const head = await run.head();
      expect(head).toMatchObject({ finished: true, now: null, faults: [], task: 'sums' });
      const round = head.rounds - 1;
      const { questions, total } = await run.questions({
        round,
        sort: 'file',
        descending: false,
        offset: 0,
        limit: 99,
      });
      expect(questions).toHaveLength(total ?? -1);
      const view = await readRun(dir);
      for (const { id, paths } of questions) {
        const shown = await view.question(round, id);
        const { paths: views } = await run.question({ round, id });
        expect(views.map(({ sample, scores }) => ({ sample, scores }))).toEqual(
          shown?.paths.map(({ sample, scores }) => ({ sample, scores })),
        );
        expect(views).toHaveLength(paths);
        await run.label({ sampleId: views[0]!.sample.id, step: 0, label: 'good' });
      }
      const pairs = await run.pairs({ round, offset: 0, limit: 99 });
      const measured = await Promise.all(pairs.pairs.map(({ index }) => run.pair({ round, index })));
      expect(measured.filter(({ own }) => own !== null)).toHaveLength(measured[0]?.logps?.n ?? -1);
      const [ofScores] = await run.humanAgreement(round);
      expect(ofScores?.agreement?.n).toBeGreaterThan(0);
    }
    await scriptedRun({ out: dir });
    const after = await artefacts(dir);
    expect(after.delete('human-labels.jsonl')).toBe(true);
    expect(after).toEqual(before);
  });
});

describe.each(Array.from({ length: sized(12, 200) }, (_, i) => i))('random run %i', (seed) => {
  const value = seed % 3 === 0 ? 'advantage' : 'state';
  const path = (['mean', 'min', 'product', 'last'] as const)[seed % 4]!;
  const records = randomRun(`run-index/${seed}`, { score: { value, path }, labels: { delta: seed % 2 } });

  it('answers as a slow reading does', async () => {
    const dir = join(folder, String(seed));
    await writeRun(dir, records, String(seed));
    await using run = await openRun(dir, { cache: folder, tasks: () => task });
    const random = createRandom(`asks/${seed}`);
    const last = records.rounds.length;
    for (let i = 0; i < 40; i += 1)
      await expectQuestions(run, records, random, random.int(1, last), randomFilter(random));
    for (const list of LISTS) await expectQuestions(run, records, random, random.int(1, last), { list });
    for (const text of PARTS) await expectQuestions(run, records, random, last, { text });
    for (let k = 1; k <= records.rounds.length; k += 1) {
      for (let place = 0; place < records.questions.length; place += 1) await expectQuestion(run, records, k, place);
      await expectPairs(run, records, k);
    }
    expect((await run.head()).faults).toEqual([]);
  });
});
