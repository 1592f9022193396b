// The records of a question in a round -> its paths as the page shows them.
import type { Config } from '../../config/schema.ts';
import { leastLogps } from '../../method/drawn-tokens.ts';
import { pathScoring } from '../../method/path-score.ts';
import { latestLabels } from '../../method/step-labels.ts';
import type { StepTruth } from '../../method/step-truth.ts';
import { hardLabelsOf } from '../../pipeline/run-index/add-records.ts';
import type { PlacedPair, RecordGroup } from '../../pipeline/run-index/read-records.ts';
import type { Sample, StepLabels } from '../../records.ts';
import type { HumanLabel, PathView } from '../api.ts';

/** What is known of paths besides their records. */
export interface PathKnowledge {
  readonly config: Pick<Config, 'labels' | 'score'>;
  readonly truthOf: (steps: readonly string[]) => readonly StepTruth[];
  readonly knowsSteps: (steps: readonly string[]) => boolean;
  /** Of a step; null: none, or taken back. */
  readonly humanLabel: (sampleId: string, step: number) => HumanLabel | null;
}

/** The samples up to the round, then the kept rollouts that the round scored or paired. */
export function pathViews(group: RecordGroup, pairs: readonly PlacedPair[], known: PathKnowledge): PathView[] {
  const scores = new Map(group.scores.map((record) => [record.sampleId, record]));
  const labels = latestLabels(group.labels);
  const scoreOf = pathScoring(known.config.score, group.samples);
  const first = new Map<string, string>();
  return pathsOf(group, pairs).map((sample): PathView => {
    const isRollout = sample.source === 'rollout';
    const text = JSON.stringify(sample.steps);
    const twin = isRollout ? null : (first.get(text) ?? null);
    if (!isRollout && twin === null) first.set(text, sample.id);
    const own = scores.get(sample.id) ?? null;
    const record = labels.get(sample.id) ?? null;
    return {
      sample,
      pathScore: own?.scores ? scoreOf(own.scores) : null,
      scores: own,
      labels: record && withoutRollouts(record),
      hardLabels: record && hardLabelsOf(record, known.config.labels),
      truth: known.truthOf(sample.steps),
      knowsSteps: known.knowsSteps(sample.steps),
      human: sample.steps.map((_, step) => known.humanLabel(sample.id, step)),
      leastLogps: leastLogps(sample),
      rollouts: sample.steps.map((_, step) => (record === null ? 0 : rolloutsOf(record, step).length)),
      duplicateOf: twin,
    };
  });
}

function pathsOf({ samples, labels, scores }: RecordGroup, pairs: readonly PlacedPair[]): readonly Sample[] {
  const rollouts = labels.flatMap((record) => record.rollouts ?? []);
  if (rollouts.length === 0) return samples;
  const sides = pairs.flatMap(({ pair }) => [pair.chosen.sampleId, pair.rejected?.sampleId]);
  const taken = new Set([...scores.map(({ sampleId }) => sampleId), ...sides]);
  return [...samples, ...rollouts.filter(({ id }) => taken.has(id))];
}

function withoutRollouts({ rollouts: _, ...record }: StepLabels): Omit<StepLabels, 'rollouts'> {
  return record;
}

/** The kept rollouts that continue a path after its step `step`. */
export function rolloutsOf({ sampleId, rollouts = [] }: StepLabels, step: number): readonly Sample[] {
  return rollouts.filter(({ id }) => {
    // SAMPLE/ROUND.STEP.INDEX
    const place = id.startsWith(`${sampleId}/`) ? id.slice(sampleId.length + 1) : '';
    return /^\d+\.(\d+)\.\d+$/.exec(place)?.[1] === String(step);
  });
}
