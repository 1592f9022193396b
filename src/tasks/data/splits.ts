// The questions of one file -> its train, valid or test part. A question is in one part only.
import { SipfError } from '../../errors.ts';
import { hash32 } from '../../random.ts';
import type { Question } from '../../records.ts';
import { questionKey } from '../../same-question.ts';
import type { Split } from '../../task.ts';
import type { SplitFiles } from './data-files.ts';

export interface CutQuestion {
  readonly question: Question;
  /** The data gave the id: a line number says nothing once lines move. */
  readonly ownId: boolean;
}

interface Cut {
  readonly part: Split;
  /** 2: train and valid, as test has a file of its own. 3: test, too. */
  readonly ways: 2 | 3;
  /** The file, for messages. */
  readonly place: string;
}

/** Fewer leave a part without questions that mean anything: one for valid, one for test, eight to learn from. */
export const LEAST_QUESTIONS = 10;

/** One of this many train questions is cut off for valid: 492 of GSM8K's 7,473. */
const VALID_SHARE = 15;

/** Up to this many questions, valid gets one in ten at least: a hash alone may give it none. */
const SMALL = 200;

/** True for the train questions that are the valid split, by the hash of the id alone. */
export function isCutForValid(id: string): boolean {
  return hash32(`valid/${id}`) % VALID_SHARE === 0;
}

/** The questions of the part that was looked for in `files`. */
export function partOf(questions: readonly CutQuestion[], { files, part, ways }: SplitFiles): Question[] {
  if (part === 'all' || questions.length === 0) return questions.map(({ question }) => question);
  return cutFor(questions, { part, ways, place: files.join(', ') });
}

/**
 * The questions of one part, in their order. A file with too few for train and valid can train nothing: all of it is test.
 * @throws SipfError 'bad-input' for the other parts of such a file.
 */
export function cutFor(questions: readonly CutQuestion[], cut: Cut): Question[] {
  const groups = groupsOf(questions);
  const least = cut.ways === 3 ? LEAST_QUESTIONS : 2;
  if (groups.length < least) {
    if (cut.part === 'test') return questions.map(({ question }) => question);
    throw tooFew(groups.length, least, cut);
  }
  const parts = cut.ways === 3 ? inThree(groups, questions.length) : inTwo(groups, questions.length);
  return questions.flatMap(({ question }) =>
    (parts.get(questionKey(question)) ?? 'train') === cut.part ? [question] : [],
  );
}

/** The same question, once or more. */
interface Group {
  readonly key: string;
  readonly size: number;
  readonly ids: readonly string[];
  /** Place in an order that depends on the id (the text where there is none) alone. */
  readonly rank: number;
}

/** In the order of their ranks. */
function groupsOf(questions: readonly CutQuestion[]): Group[] {
  const groups = new Map<string, { ids: string[]; rank: number }>();
  for (const { question, ownId } of questions) {
    const key = questionKey(question);
    const rank = hash32(`split/${ownId ? question.id : key}`);
    const known = groups.get(key) ?? { ids: [], rank };
    known.ids.push(question.id);
    groups.set(key, { ids: known.ids, rank: Math.min(rank, known.rank) });
  }
  return [...groups]
    .map(([key, { ids, rank }]) => ({ key, ids, rank, size: ids.length }))
    .sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : 1));
}

/** By exact shares in the order of ranks: a tenth for valid, a tenth for test. */
function inThree(groups: readonly Group[], total: number): Map<string, Split> {
  const tenth = Math.ceil(total / 10);
  const parts = new Map<string, Split>();
  for (const part of ['valid', 'test'] as const) fill(parts, part, groups, tenth);
  return parts;
}

/** By the hash of each id alone; in a small file, filled up to a tenth. */
function inTwo(groups: readonly Group[], total: number): Map<string, Split> {
  const parts = new Map<string, Split>();
  for (const { key, ids } of groups) if (isCutForValid(ids[0] ?? '')) parts.set(key, 'valid');
  // All of a tiny file may hash into valid.
  const first = groups[0];
  if (parts.size === groups.length && first !== undefined) parts.set(first.key, 'train');
  if (total <= SMALL) fill(parts, 'valid', groups, Math.ceil(total / 10));
  return parts;
}

/** Gives `part` questions until it has `wanted`. One that is there more often than that stays in train while others are left. */
function fill(parts: Map<string, Split>, part: Split, groups: readonly Group[], wanted: number): void {
  let count = groups.reduce((sum, { key, size }) => sum + (parts.get(key) === part ? size : 0), 0);
  const rare = groups.filter(({ size }) => size <= wanted);
  for (const { key, size } of [...rare, ...groups.filter((group) => group.size > wanted)]) {
    if (count >= wanted) return;
    if (parts.has(key)) continue;
    parts.set(key, part);
    count += size;
  }
}

function tooFew(count: number, least: number, { ways, place }: Cut): SipfError {
  const what = ways === 3 ? 'train, valid and test' : 'valid';
  const files = ways === 3 ? 'train.jsonl, valid.jsonl and test.jsonl' : 'train.jsonl and valid.jsonl';
  return new SipfError(
    'bad-input',
    `Expected at least ${least} different questions in ${place} to cut ${what} from, got ${count}. Add questions, or put ${files} of your own in a folder and name that with --data.`,
  );
}
