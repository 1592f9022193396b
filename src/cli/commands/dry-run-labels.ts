// Kept paths of a few questions -> what labels cost, by labelling some as the run does.
import type { Policy } from '../../backend.ts';
import { choosePaths } from '../../method/choose-paths.ts';
import { isEmptyPath, type QuestionPaths } from '../../method/context-length.ts';
import { labelByRollouts } from '../../method/label-rollouts.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import { rolloutsPerPath, type Typical } from '../../pipeline/round-costs.ts';
import type { Question, Sample, StepLabels } from '../../records.ts';
import { mean, sum } from '../../statistics/intervals.ts';
import type { Probe } from './dry-run-probes.ts';

const LABELS_MS = 20_000;
/** Fewer labelled paths than this say nothing of what labels cost. */
const FEWEST_LABELLED = 8;

/** The model that rolls out. */
interface Rolling {
  readonly simulator: Policy;
  readonly prompt: BuildPrompt;
  /** Tokens a second. */
  readonly speed: number;
}

export interface LabelEffort {
  readonly typical: Pick<Typical, 'rightEffort' | 'wrongEffort' | 'rolloutLength'>;
  readonly paths: number;
  readonly rollouts: number;
}

/**
 * Labels paths as the first round would: all of some questions, or the half right and half wrong ones that labels.paths takes. null where there is
 * time for too few of them. `pRight`: the share of right paths, which the formula of rollouts is compared with.
 */
export async function measureLabels(
  kept: ReadonlyMap<Question, readonly Sample[]>,
  pRight: number,
  rolling: Rolling,
  probe: Probe,
): Promise<LabelEffort | null> {
  const { config, task } = probe.start;
  const all = [...kept.values()].flat().filter((sample) => !isEmptyPath(sample));
  const found = {
    pRight,
    stepsPerPath: mean(all.map(({ steps }) => steps.length)),
    pathTokens: mean(all.map(({ tokens }) => tokens)),
  };
  const expected = rolloutsPerPath(config.labels, found, 1);
  const affordable = Math.floor(((LABELS_MS / 1000) * rolling.speed) / Math.max(1, expected * found.pathTokens));
  const items = chosen(kept, affordable, probe);
  if (sum(items.map(({ samples }) => samples.length)) < Math.min(FEWEST_LABELLED, all.length)) return null;
  const { records, counts } = await labelByRollouts(items, {
    ...{ task, prompt: rolling.prompt, simulator: rolling.simulator },
    ...{ options: config.labels, seed: config.seed, iteration: 0, signal: probe.terminal.signal },
  });
  const rollouts = (counts['rollouts'] ?? 0) - (counts['rolloutsInVain'] ?? 0);
  const rolloutTokens = sum(records.map((record) => record.rolloutTokens)) / Math.max(1, rollouts);
  const effortOf = (isRight: boolean) =>
    effort(
      records.filter(({ outcomeRight }) => outcomeRight === isRight),
      rolloutTokens * expected,
    );
  return {
    typical: {
      rightEffort: effortOf(true),
      wrongEffort: effortOf(false),
      rolloutLength: rolloutTokens / found.pathTokens,
    },
    paths: records.length,
    rollouts,
  };
}

/** At most `affordable` paths: as many of each question as the run would label. */
function chosen(
  kept: ReadonlyMap<Question, readonly Sample[]>,
  affordable: number,
  { start: { config, prompts } }: Probe,
): QuestionPaths[] {
  const samples = [...kept.values()].flat().filter((sample) => !isEmptyPath(sample));
  const asked = Math.min(config.sampling.questions ?? Number.POSITIVE_INFINITY, prompts.asked.length);
  const share = (config.labels.paths ?? Number.POSITIVE_INFINITY) / ((samples.length / kept.size) * asked);
  // Of a budget as many as there is time for: few paths say little.
  const ids = choosePaths(samples, share >= 1 ? null : affordable, `dry-run/${config.seed}`);
  const items: QuestionPaths[] = [];
  let paths = 0;
  for (const [question, all] of kept) {
    const own = all.filter(({ id }) => ids.has(id));
    if (own.length === 0 || paths + own.length > affordable) continue;
    items.push({ question, samples: own });
    paths += own.length;
  }
  return items;
}

/** Tokens of the rollouts of a path, as a multiple of `expected`; 1 where nothing tells. */
function effort(records: readonly StepLabels[], expected: number): number {
  if (records.length === 0 || expected === 0) return 1;
  return mean(records.map(({ rolloutTokens }) => rolloutTokens)) / expected;
}
