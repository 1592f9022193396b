// A generated question with its solution, and a model's steps -> which steps are truly correct.
import { type Algebra, evaluateIn } from '../../arithmetic/expressions.ts';
import { answerText, sameAnswer } from '../math/answer-values.ts';
import { findAnswer } from '../math/answers.ts';
import { annotations, checkEquation, equations } from '../math/equations.ts';
import { isAnswerLine } from '../text/steps.ts';
import { isPartOf, isSame, minus, opposite, over, type Polynomial, plus, symbol, times } from './polynomial.ts';

/** What each number stands for: several quantities may have one value. */
type Known = Map<number, Polynomial[]>;

const MAX_READINGS = 16;

/** All ways to read an expression, each number standing for any known quantity of that value. */
function readings(known: Known): Algebra<readonly Polynomial[]> {
  const pairwise =
    (apply: (a: Polynomial, b: Polynomial) => Polynomial | null) =>
    (left: readonly Polynomial[], right: readonly Polynomial[]): readonly Polynomial[] | null => {
      const all = left.flatMap((a) => right.flatMap((b) => apply(a, b) ?? []));
      return all.length === 0 ? null : all.slice(0, MAX_READINGS);
    };
  return {
    number: (digits) => known.get(Number(digits)) ?? null,
    operators: { '+': pairwise(plus), '-': pairwise(minus), '*': pairwise(times), '/': pairwise(over) },
    negate: (a) => a.map(opposite),
    percent: () => null,
  };
}

/** The numbers of a question as quantities. */
function factsOf(question: string): Known {
  const numbers = [...question.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  const known: Known = new Map();
  for (const [index, value] of numbers.entries())
    known.set(value, [...(known.get(value) ?? []), symbol(index, numbers.length)]);
  return known;
}

function learn(known: Known, value: number, quantities: readonly Polynomial[]): void {
  const old = known.get(value) ?? [];
  const fresh = quantities.filter((one) => !old.some((other) => isSame(one, other)));
  if (fresh.length > 0) known.set(value, [...old, ...fresh].slice(0, MAX_READINGS));
}

const sidesOf = (equation: string): { left: string; right: string } => {
  const at = equation.indexOf('=');
  return { left: equation.slice(0, at), right: equation.slice(at + 1) };
};

/** The wanted quantity, from the gold solution; null where a gold equation uses a number that is not known, or is ambiguous. */
function goalOf(question: string, gold: readonly string[]): Polynomial | null {
  const known = factsOf(question);
  let goal: Polynomial | null = null;
  for (const equation of gold.flatMap((step) => equations(step))) {
    const { left, right } = sidesOf(equation);
    const read = evaluateIn(left, readings(known)) ?? [];
    if (read.length !== 1 || read[0] === undefined) return null;
    learn(known, Number(right), read);
    goal = read[0];
  }
  return goal;
}

/** `3*4=<<3*4=12>>12`: what is written around an annotation says the same as the annotation. */
function isConsistent(step: string): boolean {
  return annotations(step).every(({ equation, before, after }) => {
    const { left, right } = sidesOf(equation);
    const written = /[\d+\-*/().= ]*$/.exec(before)?.[0].replaceAll(' ', '') ?? '';
    return (written === '' || written === `${left}=`) && /^[\d.]*\d/.exec(after)?.[0] === right;
  });
}

/**
 * The truth of each step. A step is correct where each of its equations
 * - holds exactly, and says the same inside and around its annotation;
 * - uses only numbers of the question and results of earlier correct equations (of steps correct up to there);
 * - has a result that is on a plan to the goal: see `isPartOf`. Any order, and any equivalent plan, is accepted;
 * and where it states an answer, that is the right one and equals the goal's value. A step without an equation is correct only if it states
 * the right answer after the goal was computed. Words (names, things) are not graded; a path that merely stops early has no wrong step.
 * null where the gold solution does not determine the goal.
 */
export function gradeSteps(question: string, gold: readonly string[], steps: readonly string[]): boolean[] | null {
  const goal = goalOf(question, gold);
  const answer = findAnswer(gold.join('\n'));
  if (goal === null || answer === null) return null;
  const known = factsOf(question);
  let reached = false;
  return steps.map((step) => {
    const lines = step.split('\n');
    const body = lines.filter((line) => !isAnswerLine(line)).join('\n');
    const list = equations(body);
    let isTrue = isConsistent(body);
    for (const equation of list) {
      const { left, right } = sidesOf(equation);
      const read = evaluateIn(left, readings(known)) ?? [];
      const useful =
        checkEquation(equation).holds === true && /^\d+$/.test(right) ? read.filter((one) => isPartOf(one, goal)) : [];
      if (useful.length === 0) isTrue = false;
      else if (isTrue) {
        learn(known, Number(right), useful);
        reached ||= useful.some((one) => isSame(one, goal));
      }
    }
    const stated = lines.filter(isAnswerLine).map((line) => findAnswer(line));
    const isRight = stated.every(
      (found) => found !== null && sameAnswer(answerText(found.answer), answerText(answer.answer)),
    );
    if (stated.length > 0 && !(isRight && reached)) return false;
    return isTrue && (list.length > 0 || stated.length > 0);
  });
}
