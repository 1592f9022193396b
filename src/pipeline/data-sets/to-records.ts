// Rows of a data set with labelled steps -> samples and labels, as the stages read them.
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { AnyRecord, type Row, readAllRows } from '../../io/jsonl.ts';
import type { StepLabels, StepTally } from '../../records.ts';
import { STEP_FORMS, type StepData, type StepFormName } from './step-data.ts';

/** What the simulator of labels from a data set is called. */
const GIVEN = 'given';

export interface ImportedRecords {
  /** As a person writes them: question, steps, and the answer where it is known. */
  readonly samples: readonly Record<string, unknown>[];
  readonly labels: readonly StepLabels[];
  /** Rows without a label on every step: they have no record of labels. */
  readonly unlabelled: number;
}

/**
 * Reads a JSONL, JSON or Parquet file of a form.
 * @throws SipfError 'not-found' or 'bad-input' naming file, line and field.
 */
export async function importSteps(file: string, form: StepFormName, signal?: AbortSignal): Promise<ImportedRecords> {
  const rows = await readAllRows(file, AnyRecord, signal);
  const data = rows.map((row) => stepData(row, form));
  if (data.length === 0) throw new SipfError('bad-input', `Expected rows in ${file}, got none. Name another file.`);
  checkIds(data, rows);
  const labelled = data.filter(({ labels }) => labels.every((label) => label !== null));
  return {
    samples: data.map(sampleOf),
    labels: labelled.map(labelsOf),
    unlabelled: data.length - labelled.length,
  };
}

function stepData({ value, place, index }: Row<Record<string, unknown>>, name: StepFormName): StepData {
  const data = STEP_FORMS[name].read(value, place, `${name}/${index}`);
  const empty = data.steps.findIndex((step) => step.trim() === '');
  if (empty === -1 && data.question.trim() !== '') return data;
  const what = empty === -1 ? 'a question' : `text in step ${empty}`;
  throw new SipfError('bad-input', `${place}: Expected ${what}, got none. Fix or delete that row.`);
}

function checkIds(data: readonly StepData[], rows: readonly Row<unknown>[]): void {
  const places = new Map<string, string>();
  for (const [n, { id }] of data.entries()) {
    const [earlier, place = ''] = [places.get(id), rows[n]?.place];
    if (earlier !== undefined)
      throw new SipfError(
        'bad-input',
        `${place}, field "id": Expected an id of its own, got ${JSON.stringify(id)} again (first in ${earlier}). Change one, or leave both out.`,
      );
    places.set(id, place);
  }
}

/** One question a text: rows of it are its paths. */
const questionIdOf = ({ question }: StepData): string => `${GIVEN}/${sha256(question.trim()).slice(0, 12)}`;

function sampleOf(data: StepData): Record<string, unknown> {
  const { id, question, answer, steps } = data;
  return {
    id,
    questionId: questionIdOf(data),
    question,
    steps,
    ...(answer === null ? {} : { answer }),
    outcome: outcomeOf(data),
  };
}

/** The last label says it where the form does not: a solution is right where its last step is. */
const isRight = ({ right, labels }: StepData): boolean => right ?? labels.at(-1) === true;

const outcomeOf = (data: StepData) => (isRight(data) ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' });

function labelsOf(data: StepData): StepLabels {
  const { id, labels } = data;
  const steps = labels.map(
    (label): StepTally => ({ correct: 0, run: 0, stop: 'full', impliedBy: null, assumed: label === true }),
  );
  return {
    sampleId: id,
    questionId: questionIdOf(data),
    iteration: 1,
    simulator: GIVEN,
    K: 0,
    steps,
    // What is learnt of the last step is its label; the answer may be right by luck.
    outcomeRight: labels.at(-1) === true,
    rolloutTokens: 0,
  };
}
