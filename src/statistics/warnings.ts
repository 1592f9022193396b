// A round's figures -> warnings where the loop, or the scores, cannot help.
import type { Counts, Estimate, EvalReport, PairLogps, ScoreFigures, SetReport } from '../reports.ts';

/** How a round's figures are to be read. */
interface WarningRules {
  /** The first so many sets are the run's own tasks. */
  readonly ownSets: number;
  /** The round makes pairs, of which it trains on both sides or on the chosen ones. */
  readonly makesPairs: boolean;
}

/** Warnings where a round's figures say that the loop cannot help, or does harm. */
export function roundWarnings(
  { iteration, sets, pairs, logps, counts }: Pick<EvalReport, 'iteration' | 'sets' | 'pairs' | 'logps' | 'counts'>,
  { ownSets, makesPairs }: WarningRules,
): string[] {
  const warnings: string[] = [];
  if (iteration > 0) for (const [i, set] of sets.entries()) addChangeWarning(set, i < ownSets, warnings);
  addSampleWarnings(counts['1-samples'] ?? {}, warnings);
  if (makesPairs) addPairWarning(pairs ?? {}, warnings);
  if (logps !== null && logps.n > 0) addLogpWarning(logps, warnings);
  return warnings;
}

/** A fall is told of every set, the lack of a change of the run's own ones alone. */
function addChangeWarning({ task, split, paired: change }: SetReport, isOwn: boolean, warnings: string[]): void {
  if (change === null || change.ci95[0] > 0) return;
  const [by, low, high] = [change.difference, ...change.ci95].map((value) => (100 * value).toFixed(1));
  if (change.ci95[1] < 0)
    warnings.push(
      `Accuracy on ${task}/${split} fell: ${by} points (${low} to ${high}) against the round before. Lower the learning rate or the epochs of align.train, or keep the policy of the round before.`,
    );
  else if (isOwn)
    warnings.push(
      `No change shown on ${task}/${split}: ${by} points (${low} to ${high}) against the round before. Evaluate on more questions, or expect little from this round.`,
    );
}

function addSampleWarnings(counts: Counts, warnings: string[]): void {
  const { drawn = 0, right = 0, kept = 0, error = 0, quotaUnmet = 0 } = counts;
  if (drawn === 0) return;
  if (right === 0)
    warnings.push(
      'Every sample is wrong: no path can be chosen. Use easier questions (task.maxGoldSteps), a longer warm-up or a lower sampling.temperature.',
    );
  if (right === drawn)
    warnings.push(
      'Every sample is right: no path can be rejected. Use harder questions or a higher sampling.temperature.',
    );
  if (kept === 0)
    warnings.push(
      'Every sample repeats a known path: nothing new to learn from. Raise sampling.temperature, or draw for other questions (sampling.rotate).',
    );
  if (error > 0) warnings.push(`${error} samples could not be graded and were left out.`);
  if (quotaUnmet > 0) warnings.push(`${quotaUnmet} questions did not reach sampling.quota within its budget.`);
}

function addPairWarning({ questions = 0, questionsWithPairs = 0, stepPairs }: Counts, warnings: string[]): void {
  if (questions === 0 || questionsWithPairs >= 0.05 * questions) return;
  const settings = stepPairs === undefined ? 'pairs.eta' : 'pairs.eta, pairs.drop';
  warnings.push(
    `Only ${questionsWithPairs} of ${questions} questions gave pairs. Lower ${settings} or draw more samples.`,
  );
}

function addLogpWarning({ chosen, rejected }: PairLogps, warnings: string[]): void {
  if (chosen.after >= chosen.before || rejected.after < rejected.before) return;
  warnings.push('Alignment made chosen paths less and rejected paths more probable. Check pairs.eta and align.loss.');
}

/** Warnings where the scores cannot help the loop. */
export function figureWarnings({ questions, aucOutcome, stepAccuracy, majority }: ScoreFigures): string[] {
  const { scores, meanLogp, shortness } = aucOutcome;
  const warnings: string[] = [];
  if (questions === 0)
    warnings.push(
      'No held-out question has labelled paths: nothing tells how good the scores are. Raise labels.paths or labels.heldOut.',
    );
  else if (scores === null)
    warnings.push(
      'No held-out question has both a right and a wrong labelled path: nothing tells whether the scores rank paths. Raise labels.paths.',
    );
  if (questions === 0 || scores === null) return warnings;
  if (scores.ci95[0] <= 0.5)
    warnings.push(
      `The scores do not rank the paths of a question better than chance: within-question AUC ${range(scores)}. Label more paths, use a larger verifier, or try another scorer.`,
    );
  for (const [name, cheap] of Object.entries({ 'mean log-probability': meanLogp, shortness })) {
    if (cheap === null || scores.value > cheap.value) continue;
    warnings.push(
      `The scores rank paths no better than their ${name}: within-question AUC ${range(scores)} against ${range(cheap)}. Compare with --scorer logprob before you trust the scores.`,
    );
  }
  if (stepAccuracy !== null && majority !== null && stepAccuracy.value <= majority)
    warnings.push(
      `Always saying the commoner label is as good as the scores: step accuracy ${range(stepAccuracy)} against ${majority.toFixed(3)}.`,
    );
  return warnings;
}

function range({ value, ci95 }: NonNullable<Estimate>): string {
  return `${value.toFixed(3)} (${ci95[0].toFixed(3)} to ${ci95[1].toFixed(3)})`;
}
