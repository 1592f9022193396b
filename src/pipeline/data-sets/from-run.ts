// A run's records -> the rows of a data set that other trainers read.
import { SipfError } from '../../errors.ts';
import type { PlainRow } from '../../io/rows-writer.ts';
import { hardLabels, latestLabels } from '../../method/step-labels.ts';
import type { PreferencePair, Question, Sample, StepLabels } from '../../records.ts';
import { type Task, taskOf } from '../../task.ts';
import type { RunView } from '../run-reader.ts';
import { STEP_FORMS, type StepFormName } from './step-data.ts';

interface Paths {
  readonly task: Task;
  readonly questions: ReadonlyMap<string, Question>;
  readonly samples: readonly Sample[];
  readonly labels: ReadonlyMap<string, StepLabels>;
  readonly pairs: readonly PreferencePair[];
}

/**
 * Rows of a form: of the paths of rounds 1 .. `iteration`, or of the pairs of that round; absent: of the last round that has any.
 * @throws SipfError 'nothing-left' where there are none.
 * @example
 * const rows = await dataSetOf(await readRun('runs/first'), 'preference', taskNamed('mini'));
 */
export async function dataSetOf(view: RunView, form: DataForm, task: Task, iteration?: number): Promise<PlainRow[]> {
  const make: MakeRows = ROWS[form];
  const rows = make(await pathsOf(view, task, iteration), view);
  if (rows.length > 0) return rows;
  const place = iteration === undefined ? view.dir : `round ${iteration} of ${view.dir}`;
  throw new SipfError(
    'nothing-left',
    `Expected records for --to ${form} in ${place}, got none. Name a round with samples, labels or pairs, or let the run go on.`,
  );
}

async function pathsOf(view: RunView, task: Task, iteration?: number): Promise<Paths> {
  const questions = new Map<string, Question>();
  for await (const question of view.questions()) questions.set(question.id, question);
  const [samples, labels]: [Sample[], StepLabels[]] = [[], []];
  const last = iteration ?? view.rounds.length - 1;
  for (let k = 1; k <= last; k += 1) {
    for await (const sample of view.samples(k)) samples.push(sample);
    for await (const record of view.labels(k)) labels.push(record);
  }
  const pairs: PreferencePair[] = [];
  for (let k = last; k >= (iteration ?? 1) && pairs.length === 0; k -= 1)
    for await (const pair of view.pairs(k)) pairs.push(pair);
  return { task, questions, samples, labels: latestLabels(labels), pairs };
}

type MakeRows = (paths: Paths, view: RunView) => PlainRow[];

/** The question begins a line of its own; a completion is its text as the task joins its steps. */
const promptOf = ({ question, prefix = '' }: Pick<Question, 'question' | 'prefix'>): string => `${question}\n${prefix}`;
const completionOf = (task: Task, of: { readonly task?: string | undefined }, steps: readonly string[]): string =>
  taskOf(task, of).pieces(steps).join('');

/** Worked solutions, then the right samples. */
const sft: MakeRows = (paths) => {
  const { task, questions, samples } = paths;
  const solved = [...questions.values()].flatMap((question) => {
    const { solution } = question;
    return solution ? [{ prompt: promptOf(question), completion: completionOf(task, question, solution) }] : [];
  });
  const drawn = unpairedRows({ ...paths, samples: samples.filter(({ source }) => source !== 'gold') });
  return [...solved, ...drawn.filter(({ label }) => label).map(({ label: _, ...row }) => row)];
};

const preference: MakeRows = ({ task, pairs }) =>
  pairs.flatMap((pair) => {
    if (pair.rejected === null) return [];
    const [chosen, rejected] = [pair.chosen, pair.rejected].map(({ steps }) => completionOf(task, pair, steps));
    return [{ prompt: promptOf(pair), chosen, rejected }];
  });

function unpairedRows({ task, questions, samples }: Paths) {
  return samples.flatMap((sample) => {
    const question = questions.get(sample.questionId);
    if (question === undefined || sample.hinted) return [];
    const completion = completionOf(task, question, sample.steps);
    // An empty path teaches nothing.
    if (completion.trim() === '') return [];
    return [{ prompt: promptOf(question), completion, label: sample.outcome.kind === 'right' }];
  });
}

/** Paths with step labels, as the run's own rule makes them of its tallies. */
const stepRows =
  (form: StepFormName): MakeRows =>
  ({ questions, samples, labels }, { config }) =>
    samples.flatMap((sample) => {
      const [question, record] = [questions.get(sample.questionId), labels.get(sample.id)];
      if (question === undefined || record === undefined) return [];
      const { id, steps } = sample;
      const row = STEP_FORMS[form].write({
        id,
        task: question.task,
        question: question.question,
        answer: question.answer,
        steps,
        labels: hardLabels(record, config.labels),
        right: record.outcomeRight,
      });
      return [row];
    });

/** TRL's columns, and those of data sets with labelled steps. */
const ROWS = {
  sft,
  preference,
  unpaired: unpairedRows,
  stepwise: stepRows('stepwise'),
  'math-shepherd': stepRows('math-shepherd'),
  prm800k: stepRows('prm800k'),
  processbench: stepRows('processbench'),
} as const satisfies Record<string, MakeRows>;
export type DataForm = keyof typeof ROWS;
export const DATA_FORMS = Object.keys(ROWS) as readonly DataForm[];
