// The answers of two policies to one question set -> paired differences of accuracy and soundness.
import type { PairedDifference } from '../reports.ts';
import { mean } from '../statistics/intervals.ts';
import { type AnsweredSet, type Grade, pairedGrades } from './set-reports.ts';

/** Two policies on the questions that both answered. Differences are the first minus the second. */
export interface SetComparison {
  readonly task: string;
  readonly split: string;
  /** Accuracies of the first and of the second on these questions, and their difference. */
  readonly accuracies: readonly [number, number];
  readonly accuracy: PairedDifference;
  /** null: no step can be checked. */
  readonly sound: PairedDifference | null;
  /** Questions that only one of them answered. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Questions with one id and other texts or answers: they are not compared. */
  readonly different: number;
}

/** Each set that both answered some of the same questions of. */
export function compareSets(first: readonly AnsweredSet[], second: readonly AnsweredSet[]): SetComparison[] {
  return first.flatMap((set) => {
    const other = second.find(({ task, split }) => task === set.task && split === set.split);
    return other === undefined ? [] : (compareSet(set, other) ?? []);
  });
}

/** null: no question in common. */
function compareSet({ task, split, grades }: AnsweredSet, second: AnsweredSet): SetComparison | null {
  const ids = [...grades.keys()].filter((id) => second.grades.has(id));
  const same = new Set(ids.filter((id) => grades.get(id)?.asked === second.grades.get(id)?.asked));
  const common = (all: AnsweredSet['grades']): Map<string, Grade> => new Map([...all].filter(([id]) => same.has(id)));
  const [own, other] = [common(grades), common(second.grades)];
  const { accuracy, sound } = pairedGrades(own, other);
  if (accuracy === null) return null;
  return {
    task,
    split,
    accuracies: [accuracyOf(own), accuracyOf(other)],
    accuracy,
    sound,
    onlyFirst: grades.size - ids.length,
    onlySecond: second.grades.size - ids.length,
    different: ids.length - same.size,
  };
}

const accuracyOf = (grades: AnsweredSet['grades']): number =>
  mean([...grades.values()].map(({ isRight }) => Number(isRight)));
