// Rollouts of a path's prefixes -> paths that later stages score, pair and train on (SAPO).
import type { Sample } from '../records.ts';
import { type Task, taskOf } from '../task.ts';
import { type Drawn, type Prefix, tokensIn } from './draw.ts';
import { keepDistinct } from './sample.ts';
import type { LabelledQuestion } from './step-labels.ts';

interface RolloutOrigin {
  readonly iteration: number;
  readonly simulator: { readonly hash: string };
}

/** The graded rollouts of one prefix of `sample` as whole paths. Their tokens are those of the rollout alone. */
export function rolloutPaths(
  { id, questionId }: Sample,
  rollouts: readonly Drawn<Prefix>[],
  { iteration, simulator }: RolloutOrigin,
): Sample[] {
  return rollouts.flatMap(({ prefix, index, completion, graded }): Sample[] => {
    const { task, pieces } = prefix;
    const { text, finishReason } = completion;
    const { extracted, outcome } = graded;
    if (outcome.kind === 'error') return [];
    return [
      {
        id: `${id}/${iteration}.${pieces.length - 1}.${index}`,
        questionId,
        source: 'rollout',
        iteration,
        index,
        policy: simulator.hash,
        steps: task.split(pieces.join('') + text),
        finishReason,
        ...tokensIn(completion),
        sumLogp: null,
        extracted,
        outcome,
      },
    ];
  });
}

/** The samples of a question, then the rollouts of its labels that repeat none of them: distinct paths of equal outcome. */
export function withRollouts({ question, samples, labels }: LabelledQuestion, task: Task): readonly Sample[] {
  const rollouts = labels.flatMap((record) => record.rollouts ?? []);
  return rollouts.length === 0 ? samples : [...samples, ...keepDistinct(taskOf(task, question), samples, rollouts)];
}
