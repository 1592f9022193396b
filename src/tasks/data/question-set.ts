// A data set in files or on a hub, and how a record reads -> the questions of one of its splits.
import { SipfError } from '../../errors.ts';
import type { Question } from '../../records.ts';
import type { LoadOptions, Split, Task } from '../../task.ts';
import { type DataRecord, type Layout, locateSplit, readRecords, type SplitFiles } from './data-files.ts';
import { type HubOptions, type HubSet, hubSplit } from './hub-data.ts';
import { settleIds } from './record-ids.ts';
import { type CutQuestion, partOf } from './splits.ts';

/** One record, understood. `id` only where the data has its own. */
export type ParsedRecord = Omit<Question, 'id' | 'task'> & { readonly id?: string };

export interface QuestionSet {
  readonly layout: Layout;
  /** Absent: on no hub; needs --data. */
  readonly hubSet?: HubSet;
  readonly hub?: HubOptions | undefined;
  readonly parse: (record: DataRecord) => ParsedRecord;
  /** Puts records in a fixed order where files may list them in several. */
  readonly order?: (a: DataRecord, b: DataRecord) => number;
  /** Of data whose records say their split: the records of `split`, and what they are for messages. */
  readonly belongs?: (question: Question, split: Split) => boolean;
  readonly splitNames?: Readonly<Record<Split, string>>;
}

type LoadingKey = 'name' | 'hubName' | 'testOnly' | 'ownData' | 'cutsFiles' | 'load';

/** What a Task says of the set that it loads. */
export function loadsSet(set: QuestionSet): Pick<Task, LoadingKey> {
  const { name, testOnly, ownData = false, splitInRecords = false } = set.layout;
  const load: Task['load'] = (wanted) => loadQuestions(set, wanted);
  return { name, hubName: set.hubSet?.repo, testOnly, ownData, cutsFiles: !splitInRecords, load };
}

/**
 * The questions of a split: those with at most `maxGoldSteps` steps, of these the first `limit`.
 * @throws SipfError 'bad-input' for a split or data that the set does not have, 'nothing-left' where no question is left.
 */
export async function loadQuestions(set: QuestionSet, wanted: LoadOptions): Promise<Question[]> {
  const { layout, belongs, splitNames } = set;
  const { split, data } = wanted;
  const found = await locate(set, wanted);
  const all = await questionsIn(found, set);
  const part = partOf(all, found);
  const own = belongs === undefined ? part : part.filter((question) => belongs(question, split));
  if (own.length === 0 && all.length > 0) {
    throw new SipfError(
      'nothing-left',
      `Expected ${splitNames?.[split] ?? `${split} problems`} in ${data ?? layout.name}, got ${all.length} others. Name another --split or --data.`,
    );
  }
  return filterQuestions(own, wanted);
}

function locate({ layout, hubSet, hub }: QuestionSet, wanted: LoadOptions): Promise<SplitFiles> {
  const { name } = layout;
  const { split, data } = wanted;
  if (layout.testOnly && split !== 'test') {
    throw new SipfError(
      'bad-input',
      `Expected --split test for ${name}, which is a test set only, got ${split}. Train on another task.`,
    );
  }
  if (data !== undefined) return locateSplit(data, wanted, layout);
  if (hubSet !== undefined) return hubSplit(hubSet, split, layout, hub);
  throw new SipfError(
    'bad-input',
    `Expected --data for the task ${name}, which is on no hub, got none. Name its file or folder.`,
  );
}

async function questionsIn(
  { files, holds }: SplitFiles,
  { layout, parse, order }: QuestionSet,
): Promise<CutQuestion[]> {
  const { name } = layout;
  const records = await readRecords(files);
  if (order !== undefined) records.sort(order);
  const parsed = records.map(parse);
  const ids = settleIds(
    parsed.map(({ id }) => id),
    records,
    ({ index }, position) => `${name}/${holds}/${order === undefined ? index : position}`,
  );
  return parsed.map(({ id, ...rest }, i) => ({
    question: { id: ids[i]!, task: name, ...rest },
    ownId: id !== undefined,
  }));
}

function filterQuestions(
  questions: readonly Question[],
  { maxGoldSteps, limit, split, data }: LoadOptions,
): Question[] {
  const short =
    maxGoldSteps === undefined
      ? questions
      : questions.filter(({ solution }) => solution !== undefined && solution.length <= maxGoldSteps);
  if (short.length === 0) {
    const isEmpty = questions.length === 0;
    const got = isEmpty
      ? 'an empty file'
      : `${questions.length} questions, none with a worked solution of at most ${maxGoldSteps} steps`;
    throw new SipfError(
      'nothing-left',
      `Expected ${split} questions in ${data ?? 'the data set'}, got ${got}. ${isEmpty ? 'Name' : 'Raise task.maxGoldSteps (null: any number of steps, solutions or none), or name'} other data.`,
    );
  }
  return limit === undefined ? [...short] : short.slice(0, limit);
}
