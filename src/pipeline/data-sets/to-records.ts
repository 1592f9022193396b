// Rows of a data set -> questions, samples and labels, as the commands read them.
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { AnyRecord, type Row, readAllRows } from '../../io/jsonl.ts';
import type { PlainRow } from '../../io/rows-writer.ts';
import type { StepLabels, StepTally } from '../../records.ts';
import { answerText } from '../../tasks/math/answer-values.ts';
import { findAnswer } from '../../tasks/math/answers.ts';
import { STEP_FORMS, type StepData, type StepFormName } from './step-data.ts';
import { TEXT_FORMS } from './text-data.ts';

/** What the simulator of labels from a data set is called. */
const GIVEN = 'given';

/** Records as a person writes them; a list that no row gives is empty. */
export interface ImportedRecords {
  /** With worked solutions. */
  readonly questions: readonly PlainRow[];
  /** Question, steps, and the answer where it is known. */
  readonly samples: readonly PlainRow[];
  readonly labels: readonly StepLabels[];
  /** Rows without a label on every step: they have no record of labels. */
  readonly unlabelled: number;
}

type Rows = readonly Row<Record<string, unknown>>[];
const NOTHING: ImportedRecords = { questions: [], samples: [], labels: [], unlabelled: 0 };

/** How the rows of each form become records. */
const READERS = {
  sft: (rows) => ({ ...NOTHING, questions: rows.map(solvedQuestion) }),
  unpaired: (rows) => ({ ...NOTHING, samples: rows.map(gradedSample) }),
  stepwise: (rows) => stepRecords(rows, 'stepwise'),
  'math-shepherd': (rows) => stepRecords(rows, 'math-shepherd'),
  prm800k: (rows) => stepRecords(rows, 'prm800k'),
  processbench: (rows) => stepRecords(rows, 'processbench'),
} as const satisfies Record<string, (rows: Rows) => ImportedRecords>;
export type ImportForm = keyof typeof READERS;
export const IMPORT_FORMS = Object.keys(READERS) as readonly ImportForm[];

/**
 * Reads a JSONL, JSON or Parquet file of a form.
 * @throws SipfError 'not-found' or 'bad-input' naming file, line and field.
 */
export async function importRows(file: string, form: ImportForm, signal?: AbortSignal): Promise<ImportedRecords> {
  const rows = await readAllRows(file, AnyRecord, signal);
  if (rows.length === 0) throw new SipfError('bad-input', `Expected rows in ${file}, got none. Name another file.`);
  return READERS[form](rows);
}

/** The answer is found as a grader finds it. */
function solvedQuestion({ value, place, index }: Rows[number]): PlainRow {
  const { question, completion } = TEXT_FORMS.sft(value, place);
  const found = findAnswer(completion);
  if (found !== null) return { id: `sft/${index}`, question, answer: answerText(found.answer), solution: completion };
  throw new SipfError(
    'bad-input',
    `${place}, field "completion": Expected a text with an answer ("The answer is 12", "#### 12"), got none. Add that line, or delete the row.`,
  );
}

function gradedSample({ value, place, index }: Rows[number]): PlainRow {
  const { question, completion, right } = TEXT_FORMS.unpaired(value, place);
  return {
    id: `unpaired/${index}`,
    questionId: questionIdOf({ question }),
    question,
    steps: completion,
    outcome: outcomeOf(right),
  };
}

function stepRecords(rows: Rows, form: StepFormName): ImportedRecords {
  const data = rows.map((row) => stepData(row, form));
  checkIds(data, rows);
  const labelled = data.filter(({ labels }) => labels.every((label) => label !== null));
  return {
    ...NOTHING,
    samples: data.map(sampleOf),
    labels: labelled.map(labelsOf),
    unlabelled: data.length - labelled.length,
  };
}

function stepData({ value, place, index }: Rows[number], name: StepFormName): StepData {
  const data = STEP_FORMS[name].read(value, place, `${name}/${index}`);
  const empty = data.steps.findIndex((step) => step.trim() === '');
  if (empty === -1 && data.question.trim() !== '') return data;
  const what = empty === -1 ? 'a question' : `text in step ${empty}`;
  throw new SipfError('bad-input', `${place}: Expected ${what}, got none. Fix or delete that row.`);
}

function checkIds(data: readonly StepData[], rows: Rows): void {
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
const questionIdOf = ({ question }: Pick<StepData, 'question'>): string =>
  `${GIVEN}/${sha256(question.trim()).slice(0, 12)}`;

function sampleOf(data: StepData): PlainRow {
  const { id, question, answer, steps } = data;
  return {
    id,
    questionId: questionIdOf(data),
    question,
    steps,
    ...(answer === null ? {} : { answer }),
    outcome: outcomeOf(isRight(data)),
  };
}

/** The last label says it where the form does not: a solution is right where its last step is. */
const isRight = ({ right, labels }: StepData): boolean => right ?? labels.at(-1) === true;

const outcomeOf = (right: boolean) => (right ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' });

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
