// MATH records (problem, solution with a box) -> a Task whose answers are formulas.
import { SipfError } from '../../errors.ts';
import type { Question } from '../../records.ts';
import { type Graded, type Task, wrong } from '../../task.ts';
import type { DataRecord, Layout } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import type { HubOptions } from '../data/hub-data.ts';
import type { ParsedRecord } from '../data/question-set.ts';
import { ownId } from '../data/record-ids.ts';
import { goldSteps } from '../text/steps.ts';
import { choiceRecord, choicesOf } from './choices.ts';
import { MathComparer } from './formulas/compare.ts';
import { lastBoxes, statedMath } from './formulas/stated-math.ts';
import { gradeChoice } from './grade-choice.ts';
import { createMathTask, mathFormat, textField } from './math-task.ts';

/** Competition problems (Hendrycks et al. 2021): 7,500 train, 5,000 test, in seven subjects. */
export function createMath(hub?: HubOptions): Task {
  const layout = { name: 'math', wholeSet: [], testOnly: false, nested: true };
  return formulaTask(layout, 'EleutherAI/hendrycks_math', hub);
}

/** The 500 of MATH's test problems that most reports use (Lightman et al. 2023). */
export function createMath500(hub?: HubOptions): Task {
  const wholeSet = ['math500.jsonl', 'math-500.jsonl', 'math_500.jsonl'];
  return formulaTask({ name: 'math-500', wholeSet, testOnly: true }, 'HuggingFaceH4/MATH-500', hub);
}

function formulaTask(layout: Layout, repo: string, hub: HubOptions | undefined): Task {
  const comparer = new MathComparer();
  return {
    ...createMathTask({ layout, maxTokens: 1024, hubSet: { repo, folder: '' }, hub, parse: mathRecord }),
    instruction: 'Solve the problem step by step, one step per line. Put the final answer in \\boxed{}.',
    reference: referenceFormula,
    grade: (question, completion, finishReason) => gradeFormula(comparer, question, completion, finishReason),
    sameAnswer: async (a, b) => (await comparer.compare(a, b)) === 'same',
    [Symbol.asyncDispose]: () => comparer[Symbol.asyncDispose](),
  };
}

async function gradeFormula(
  comparer: MathComparer,
  { answer, choices }: Pick<Question, 'answer' | 'choices'>,
  completion: string,
  finishReason: 'stop' | 'length',
): Promise<Graded> {
  if (choices !== undefined) return gradeChoice({ answer, choices }, completion, finishReason);
  const stated = statedMath(completion);
  if (finishReason === 'length' && !stated?.explicit) return wrong('truncated');
  if (stated === null) return wrong('no-answer');
  const extracted = stated.text;
  const verdict = await comparer.compare(referenceFormula(answer) ?? '', extracted);
  if (verdict === 'same') return { extracted, outcome: { kind: 'right' } };
  return wrong(verdict === 'timeout' ? 'timeout' : 'other-answer', extracted);
}

/** The answer of a reference: what it states where it is a solution (a box, `####`, "the answer is"), else the whole text; null: empty. */
function referenceFormula(reference: string): string | null {
  const stated = /\\boxed|\\fbox|####|\banswer\b/i.test(reference) ? statedMath(reference) : null;
  const text = stated?.explicit ? stated.text : reference.trim();
  return text === '' ? null : text;
}

function mathRecord(record: DataRecord): ParsedRecord {
  const { value, place } = record;
  const own = ownId(record, 'unique_id', 'id');
  const question = textField(record, value.question === undefined ? 'problem' : 'question', 'a problem');
  const solution =
    value.solution === undefined || value.solution === null ? null : textField(record, 'solution', 'a worked solution');
  const given = value.answer === undefined || value.answer === null ? null : textField(record, 'answer', 'an answer');
  const answer = given === null ? lastBoxes(solution ?? '') : referenceFormula(given);
  const chosen = choicesOf(record);
  if (chosen !== null) {
    const steps = solution === null ? undefined : solutionSteps(solution, chosen.letter);
    return { ...own, ...choiceRecord(question, chosen, steps) };
  }
  if (answer === null) {
    throw new SipfError(
      'bad-input',
      `Expected an answer in ${place}: the field "answer", or \\boxed{...} in the field "solution", got ${short(solution)}. Add one.`,
    );
  }
  return { ...own, question, answer, ...(solution === null ? {} : { solution: solutionSteps(solution, answer) }) };
}

/** Its lines; one that boxes no answer ends with a line that states it. */
function solutionSteps(solution: string, answer: string): string[] {
  const lines = solution.split('\n');
  if (lastBoxes(solution) === null) return goldSteps(lines, answer);
  return mathFormat.split(solution);
}
