// Open runs -> all that a report holds: answers by their addresses, and paths as examples.

import { throwIfAborted } from '../../errors.ts';
import { beforeAbort } from '../../http/before-abort.ts';
import type { RunView } from '../../pipeline/run-reader.ts';
import { hash32 } from '../../random.ts';
import { type Answers, answersFrom } from '../answers.ts';
import type { ComparedSide, PathFilter, PathView, QuestionReply, ReportData, RunHead } from '../api.ts';
import type { OpenRun } from '../open-run.ts';

type Example = ReportData['samples'][number];

/** Waits until all records are read. @throws SipfError where the files of a run cannot be read; the signal's reason. */
export function reportData(runs: readonly OpenRun[], signal?: AbortSignal): Promise<ReportData> {
  const data = dataOf(runs, signal);
  return signal === undefined ? data : beforeAbort(data, signal);
}

async function dataOf(runs: readonly OpenRun[], signal: AbortSignal | undefined): Promise<ReportData> {
  for (const run of runs) await run.ready();
  const answers = answersFrom(runs);
  const kept = new Map<string, unknown>();
  const { runs: heads } = await answers.runs();
  kept.set('api/runs', { runs: heads.map(ended) });
  const samples: Example[] = [];
  for (const [place, run] of runs.entries()) {
    throwIfAborted(signal);
    const view = await run.view();
    kept.set(addressOf('rounds', { run: place }), await answers.rounds({ run: place }));
    kept.set(addressOf('training', { run: place }), await answers.training({ run: place }));
    for (const [address, reply] of await scoresOf(answers, place, view)) kept.set(address, reply);
    const examples = await examplesOf(answers, place, view);
    for (const { example, reply } of examples) {
      kept.set(addressOf('question', { run: place, round: example.round, id: example.id }), reply);
      samples.push(example);
    }
  }
  for (const [address, reply] of await comparisonsOf(answers, runs)) kept.set(address, reply);
  return { answers: Object.fromEntries(kept), samples };
}

/** A report does not live on, and says nothing of the machine that it was made on. */
function ended(head: RunHead): RunHead {
  return { ...head, dir: head.name, now: null };
}

/** A request as the page writes it: the names of its query sorted. */
function addressOf(path: string, query: Readonly<Record<string, string | number>>): string {
  const words = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  );
  words.sort();
  return `api/${path}?${words}`;
}

type Kept = [address: string, reply: object];

/** Of the rounds that have figures. */
async function scoresOf(answers: Answers, run: number, { rounds }: RunView): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const { iteration: round } of rounds.slice(1)) {
    const reply = await answers.scores({ run, round });
    if (reply.figures !== null) kept.push([addressOf('scores', { run, round }), reply]);
  }
  return kept;
}

/** Those of `sipf compare`: the last policies, the starts, and each run's last with its start. */
async function comparisonsOf(answers: Answers, runs: readonly OpenRun[]): Promise<Kept[]> {
  if (runs.length < 2) return [];
  const [first, second] = [await endsOf(runs[0]!, 0), await endsOf(runs[1]!, 1)];
  const pairs = [
    [first.last, second.last],
    [first.start, second.start],
    [first.last, first.start],
    [second.last, second.start],
  ] as const;
  const kept: Kept[] = [];
  for (const [one, other] of pairs) {
    if (one === null || other === null) continue;
    const reply = await answers.compare({ first: one, second: other, offset: 0, limit: 0 });
    const [own, others] = [one, other].map(({ run, policy }) => `${run}:${policy}`) as [string, string];
    const query = { first: own, second: others, offset: 0, limit: 0 };
    if (reply.sets.length > 0) kept.push([addressOf('compare', query), reply]);
  }
  return kept;
}

interface Ends {
  readonly start: ComparedSide | null;
  readonly last: ComparedSide | null;
}

/** The policies of the final evaluation, where there is one; else those of the first and the last round that was evaluated. */
async function endsOf(open: OpenRun, run: number): Promise<Ends> {
  const { final, rounds } = await open.view();
  const has = (name: 'start' | 'last') => final?.rows.some((row) => row.name === name) === true;
  if (has('start')) return { start: { run, policy: 'start' }, last: { run, policy: has('last') ? 'last' : 'start' } };
  const last = rounds.findLast(({ report }) => report !== null)?.iteration;
  return last === undefined ? { start: null, last: null } : { start: { run, policy: 0 }, last: { run, policy: last } };
}

/** What examples are chosen by. */
const KINDS: readonly { readonly filter: PathFilter; readonly fits: (path: PathView) => boolean }[] = [
  { filter: { outcome: 'right' }, fits: ({ sample }) => sample.outcome.kind === 'right' },
  { filter: { outcome: 'wrong' }, fits: ({ sample }) => sample.outcome.kind === 'wrong' },
  { filter: { list: 'disagree' }, fits: disagrees },
];
/** Of each kind, at most. */
const EXAMPLES = 3;
/** Questions that are looked at for them. */
const TRIES = 24;

function disagrees({ scores, hardLabels }: PathView): boolean {
  return hardLabels?.some((label, j) => (scores?.scores?.[j] ?? Number(label)) >= 0.5 !== label) === true;
}

interface Found {
  readonly example: Example;
  readonly reply: QuestionReply;
}

/** Paths of the last round that has some, three of each kind at most; which ones depends on the records alone. */
async function examplesOf(answers: Answers, run: number, { rounds }: RunView): Promise<Found[]> {
  const found: Found[] = [];
  const round = rounds.findLast(({ stages }) => stages.includes('1-samples'))?.iteration;
  if (round === undefined) return [];
  for (const [kind, { filter, fits }] of KINDS.entries()) {
    const ids = await questionsOfKind(answers, { run, round, filter }, `report/${kind}`);
    const some: Found[] = [];
    for (const id of ids) {
      if (found.some(({ example }) => example.id === id)) continue;
      const reply = await answers.question({ run, round, id });
      some.push(...reply.paths.filter(fits).flatMap((path) => exampleOf(path, { run, round, id }, reply)));
      if (some.filter(isTold).length >= EXAMPLES) break;
    }
    found.push(...bestOf(some));
  }
  return found;
}

/** A drawn path with its question alone. */
function exampleOf(path: PathView, place: Omit<Example, 'path'>, reply: QuestionReply): Found[] {
  if (path.sample.source !== 'policy') return [];
  return [{ example: { ...place, path: path.sample.id }, reply: { ...reply, paths: [path], pairs: [] } }];
}

const isTold = ({ reply: { paths } }: Found): boolean =>
  paths.every(({ scores, labels }) => scores !== null && labels !== null);

/** One path of a question, those with scores and labels first. */
function bestOf(some: readonly Found[]): Found[] {
  const ranked = [...some.filter(isTold), ...some.filter((one) => !isTold(one))];
  const first = ranked.filter(({ example }, n) => ranked.findIndex((one) => one.example.id === example.id) === n);
  return first.slice(0, EXAMPLES);
}

/** Ids of some questions that a path of a kind is in, in an order that `key` gives. */
async function questionsOfKind(
  answers: Answers,
  { run, round, filter }: { readonly run: number; readonly round: number; readonly filter: PathFilter },
  key: string,
): Promise<string[]> {
  const ask = { run, round, sort: 'file', descending: false, ...filter } as const;
  const { total } = await answers.questions({ ...ask, offset: 0, limit: 0 });
  const ids = new Set<string>();
  for (let n = 0; n < TRIES && total !== null && total > 0; n += 1) {
    const offset = hash32(`${key}/${n}`) % total;
    const { questions } = await answers.questions({ ...ask, offset, limit: 1 });
    for (const { id } of questions) ids.add(id);
  }
  return [...ids];
}
