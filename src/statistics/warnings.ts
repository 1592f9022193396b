// A round's figures -> warnings where the loop, or the scores, cannot help.
import type { Estimate, EvalReport, ScoreFigures } from '../reports.ts';

/** Warnings where a round's figures say that the loop cannot help. The first `ownSets` sets are the run's own tasks. */
export function roundWarnings(
  report: Pick<EvalReport, 'iteration' | 'sets' | 'pairs' | 'logps' | 'counts'>,
  ownSets = 1,
): string[] {
  const warnings: string[] = [];
  for (const { task, split, paired: change } of report.sets.slice(0, ownSets)) {
    if (report.iteration === 0 || change === null || change.ci95[0] > 0 || change.ci95[1] < 0) continue;
    const points = [change.difference, ...change.ci95].map((value) => (100 * value).toFixed(1));
    warnings.push(
      `No change shown on ${task}/${split}: ${points[0]} points (${points[1]} to ${points[2]}) against the round before. Evaluate on more questions, or expect little from this round.`,
    );
  }
  const samples = report.counts['1-samples'];
  if (samples !== undefined && (samples.drawn ?? 0) > 0) {
    if ((samples.right ?? 0) === 0)
      warnings.push(
        'Every sample is wrong: no path can be chosen. Use easier questions (task.maxGoldSteps), a longer warm-up or a lower sampling.temperature.',
      );
    if ((samples.right ?? 0) === samples.drawn)
      warnings.push(
        'Every sample is right: no path can be rejected. Use harder questions or a higher sampling.temperature.',
      );
    if ((samples.kept ?? 0) === 0)
      warnings.push(
        'Every sample repeats a known path: nothing new to learn from. Raise sampling.temperature, or draw for other questions (sampling.rotate).',
      );
    if ((samples.error ?? 0) > 0) warnings.push(`${samples.error} samples could not be graded and were left out.`);
    if ((samples.quotaUnmet ?? 0) > 0)
      warnings.push(`${samples.quotaUnmet} questions did not reach sampling.quota within its budget.`);
  }
  const { pairs } = report;
  if (pairs !== null && (pairs.questions ?? 0) > 0 && (pairs.questionsWithPairs ?? 0) < 0.05 * (pairs.questions ?? 0)) {
    warnings.push(
      `Only ${pairs.questionsWithPairs} of ${pairs.questions} questions gave pairs. Lower pairs.eta or draw more samples.`,
    );
  }
  const { logps } = report;
  if (
    logps !== null &&
    logps.n > 0 &&
    logps.chosen.after < logps.chosen.before &&
    logps.rejected.after >= logps.rejected.before
  ) {
    warnings.push('Alignment made chosen paths less and rejected paths more probable. Check pairs.eta and align.loss.');
  }
  return warnings;
}

/** Warnings where the scores cannot help the loop. */
export function figureWarnings(figures: ScoreFigures): string[] {
  const { aucOutcome, stepAccuracy, majority } = figures;
  const { scores, meanLogp, shortness } = aucOutcome;
  const warnings: string[] = [];
  if (figures.questions === 0) {
    warnings.push(
      'No held-out question has labelled paths: nothing tells how good the PRM is. Raise labels.paths or labels.heldOut.',
    );
    return warnings;
  }
  if (scores === null) {
    warnings.push(
      'No held-out question has both a right and a wrong labelled path: nothing tells whether the scores rank paths. Raise labels.paths.',
    );
    return warnings;
  }
  if (scores.ci95[0] <= 0.5) {
    warnings.push(
      `The scores do not rank the paths of a question better than chance: within-question AUC ${range(scores)}. Label more paths, or use a larger verifier.`,
    );
  }
  for (const [name, cheap] of [
    ['mean log-probability', meanLogp],
    ['shortness', shortness],
  ] as const) {
    if (cheap === null || scores.value > cheap.value) continue;
    warnings.push(
      `The scores rank paths no better than their ${name}: within-question AUC ${range(scores)} against ${range(cheap)}. Compare with --scorer logprob before trusting the PRM.`,
    );
  }
  if (stepAccuracy !== null && majority !== null && stepAccuracy.value <= majority) {
    warnings.push(
      `Always saying the commoner label is as good as the scores: step accuracy ${range(stepAccuracy)} against ${majority.toFixed(3)}.`,
    );
  }
  return warnings;
}

function range({ value, ci95 }: NonNullable<Estimate>): string {
  return `${value.toFixed(3)} (${ci95[0].toFixed(3)} to ${ci95[1].toFixed(3)})`;
}
