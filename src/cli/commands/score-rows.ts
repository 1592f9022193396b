// sipf score --in: paths as people have them -> the score of each step and the first error.

import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { jsonText } from '../../io/exact-json.ts';
import { namingRow, RecordId, type Row, readRows } from '../../io/jsonl.ts';
import { goldSample } from '../../method/sample.ts';
import { type ScoreContext, scoreUnit } from '../../method/score.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import { inUnits } from '../../run/units.ts';
import type { Part } from '../../statistics/intervals.ts';
import { type FirstError, firstErrorAccuracy } from '../../statistics/prm-figures.ts';
import { type Task, taskOf } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { percent } from './show-rounds.ts';
import { formatScores } from './show-steps.ts';

const ScoreLine = z.looseObject({
  id: RecordId,
  /** Of a mixture: whose question it is. */
  task: z.string().optional(),
  question: z.string().optional(),
  problem: z.string().optional(),
  steps: z.array(z.string()).min(1),
  /** Code that the steps continue. */
  prefix: z.string().optional(),
  /** Index of the first wrong step; -1: none. */
  label: z.int().min(-1).nullish(),
});
type ScoreLine = z.infer<typeof ScoreLine>;

/** Paths that the model sees in one call. */
const BATCH = 16;

/**
 * Prints the scores of every line of a file; given first errors, ProcessBench's F1 on stderr. Returns how many paths have no scores.
 * @throws SipfError 'nothing-left' where the file has no line; 'bad-input' naming a line.
 */
export async function scoreRows(
  path: string,
  context: ScoreContext,
  { threshold, json }: { readonly threshold: number; readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  using progress = terminal.progress({ title: 'score', unit: 'paths' });
  const graded: FirstError[] = [];
  let [done, unscored] = [0, 0];
  for await (const rows of inUnits(readRows(path, ScoreLine, terminal.signal), BATCH)) {
    for (const [i, scored] of (await scoreBatch(rows, context, threshold)).entries()) {
      const { label } = rows[i]!.value;
      if (scored.firstError === null) unscored += 1;
      else if (typeof label === 'number') graded.push({ predicted: scored.firstError, label });
      await terminal.print(json ? jsonText(scored) : `${scored.id}  ${formatScores(scored, terminal.colors)}`);
    }
    done += rows.length;
    progress.update(done);
  }
  progress.end();
  if (done === 0)
    throw new SipfError('nothing-left', `Expected paths in ${path}, got none. Give a line {question, steps} a path.`);
  if (graded.length > 0) reportF1(graded, threshold, terminal);
  return unscored;
}

/** Scores null: the path is too long for the model, or empty. */
async function scoreBatch(rows: readonly Row<ScoreLine>[], context: ScoreContext, threshold: number) {
  const records = await namingRow(rows, async (some) => {
    const scored = await scoreUnit(
      some.map((row) => itemOf(row, context.task)),
      context,
    );
    return scored.records;
  });
  const byId = new Map(records.map(({ questionId, scores }) => [questionId, scores]));
  return rows.map(({ index, value }) => {
    const scores = byId.get(String(index)) ?? null;
    const firstError = scores === null ? null : scores.findIndex((p) => p < threshold);
    return { id: value.id ?? index, scores, firstError };
  });
}

/** A line as a question with its path; what no scorer of steps reads is left empty. */
function itemOf({ place, index, value }: Row<ScoreLine>, task: Task): LabelledQuestion {
  const { label, steps, prefix } = value;
  const text = value.question ?? value.problem;
  if (text === undefined) {
    throw new SipfError('bad-input', `${place}: Expected the field question or problem, got neither. Fix that line.`);
  }
  if (typeof label === 'number' && label >= steps.length) {
    throw new SipfError(
      'bad-input',
      `${place}, field "label": Expected -1 or the index of one of ${steps.length} steps, got ${label}. Fix that line.`,
    );
  }
  const question = {
    // Lines may share an id; their places differ.
    id: String(index),
    task: taskOf(task, value).name,
    question: text,
    answer: '',
    solution: steps,
    ...(prefix === undefined ? {} : { prefix }),
  };
  return { question, samples: [goldSample(question)!], labels: [] };
}

function reportF1(graded: readonly FirstError[], threshold: number, terminal: Terminal): void {
  const { f1, wrong, right } = firstErrorAccuracy(graded);
  const inWords = ({ part, whole }: Part) => (whole === 0 ? '-' : `${percent(part / whole)} %`);
  terminal.log(
    `ProcessBench F1 ${f1 === null ? '-' : `${percent(f1)} %`} at threshold ${threshold}: first error found in ${inWords(wrong)} of ${wrong.whole} wrong paths, ` +
      `no error found in ${inWords(right)} of ${right.whole} right paths`,
  );
}
