// The table of scorers: what each needs, how it opens and scores. A new scorer is one entry.
import type { Policy, ProcessRewardModel } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { canonicalJson, sha256 } from '../hashing.ts';
import type { Sample, StepScores } from '../records.ts';
import { mean, sum } from '../statistics/intervals.ts';
import { type Task, taskOf } from '../task.ts';
import { answerLikelihoods } from './answer-likelihood.ts';
import { type ReadContext, type Reader, textsOf } from './context-length.ts';
import { spoiledSteps } from './exact-checks.ts';
import { checkProbe, PASSES, type Probe, probeScores } from './probe.ts';
import { calibratedScore, type ScoreCalibration, stepEvidence } from './score-calibration.ts';
import { type LabelledPath, softLabels } from './step-labels.ts';
import { hasSignal, requireSignal, type TaskSignal } from './task-signals.ts';

/** A scorer, by the name that records have. */
export type ScorerName = StepScores['scorer'];

/**
 * What a scorer reads besides paths: signals of their task, and more. `prm`, `policy`: models. `calibration`: weights of both. `probe`: weights of
 * the policy's hidden states. `tallies`: complete tallies of the paths. `outcome`: each path's own grade.
 */
export type ScorerNeed = TaskSignal | 'prm' | 'policy' | 'calibration' | 'probe' | 'tallies' | 'outcome';

/** Where a scorer gets what it needs; what it does not need may be absent. */
export interface ScorerSource {
  readonly prm?: (() => Promise<ProcessRewardModel>) | undefined;
  /** Of the scorer probe: the model that the probe was trained on. */
  readonly policy?: (() => Promise<Policy>) | undefined;
  readonly calibration?: ScoreCalibration | undefined;
  readonly probe?: Probe | undefined;
}

/** A scorer with its models open. Disposing it closes them. */
export interface Scorer extends AsyncDisposable {
  readonly name: ScorerName;
  /** The models that read every path. */
  readonly models: readonly Reader[];
  /** How often each of them reads a path. */
  readonly passes: number;
  /** Hash of the PRM among them; null: none. */
  readonly prm: string | null;
  readonly score: (paths: readonly LabelledPath[], context: ReadContext) => Promise<ScoredPaths>;
}

/** `[path][step]` P(step correct); undefined: the scorer knows nothing of that path. */
type PathScores = readonly (readonly number[] | undefined)[];

interface ScoredPaths {
  readonly scores: PathScores;
  /** Tokens that the models read; absent: of each pass, those of each question's prompt once and of its paths. */
  readonly tokens?: number;
}

/** How paths are read, with what a scorer needs; the rest is absent. */
interface Needed extends ReadContext {
  readonly prm?: ProcessRewardModel | undefined;
  readonly policy?: Policy | undefined;
  readonly calibration?: ScoreCalibration | undefined;
  readonly probe?: Probe | undefined;
}

interface ScorerKind {
  /** `config`: `score.scorer` names it. `method`: a method that learns from outcomes has it. */
  readonly chosenBy: 'config' | 'method';
  readonly needs: readonly ScorerNeed[];
  /** True where all steps of a path have one score. */
  readonly ofPath?: boolean;
  /** How often its models read a path; absent: once. */
  readonly passes?: number;
  readonly score: (paths: readonly LabelledPath[], needed: Needed) => Promise<ScoredPaths>;
}

const SCORERS = {
  prm: {
    chosenBy: 'config',
    needs: ['prm'],
    score: async (paths, { prm, ...context }) => ({
      scores: await prm!.score(textsOf(paths, context), { signal: context.signal }),
    }),
  },
  'prm-logprob': {
    chosenBy: 'config',
    needs: ['prm', 'policy', 'calibration'],
    score: async (paths, { prm, policy, calibration, ...context }) => {
      const evidence = await stepEvidence(paths, { ...context, prm: prm!, policy: policy! });
      return { scores: evidence.map((steps) => steps.map((step) => calibratedScore(step, calibration!))) };
    },
  },
  probe: {
    chosenBy: 'config',
    needs: ['policy', 'probe'],
    passes: PASSES,
    score: async (paths, { policy, probe, ...context }) => ({
      scores: await probeScores(textsOf(paths, context), policy!, { probe: probe!, signal: context.signal }),
    }),
  },
  /** tally / K of each step (the last step's is the outcome); a gold path scores 1 throughout. */
  tallies: {
    chosenBy: 'config',
    needs: ['tallies'],
    score: each(({ sample, labels }) => (sample.source === 'gold' ? same(sample, 1) : labels && softLabels(labels))),
  },
  /** The geometric mean of the path's drawn tokens' probabilities, at every step. */
  logprob: {
    chosenBy: 'config',
    needs: ['policy'],
    ofPath: true,
    score: async (paths, { policy, ...context }) => {
      const texts = textsOf(paths, context);
      const given = texts.map(({ prompt, steps }, i) => ({
        context: [prompt],
        completion: steps.join(''),
        calculator: paths[i]?.sample.forced !== undefined,
      }));
      const logps = await policy!.logps(given, { signal: context.signal });
      const drawn = logps.map((all) => all.filter((logp) => logp !== null));
      return { scores: paths.map(({ sample }, i) => same(sample, Math.exp(mean(drawn[i] ?? [])))) };
    },
  },
  /** 0 from the first step with a false equation on, else 1: a step with nothing to check counts as the steps before it. */
  equations: {
    chosenBy: 'config',
    needs: ['equations'],
    score: each(({ question, sample }, { task }) =>
      spoiledSteps(task, question, sample.steps).map((isSpoiled) => Number(!isSpoiled)),
    ),
  },
  /** The geometric mean of the right answer's token probabilities after each step; the last step's is the outcome. */
  likelihood: {
    chosenBy: 'config',
    needs: ['policy', 'answer', 'outcome'],
    score: async (paths, { policy, ...context }) => {
      const read = await answerLikelihoods(paths, policy!, { ...context, from: 1 });
      const endOf = ({ sample }: LabelledPath) => Number(sample.outcome.kind === 'right');
      return {
        scores: read.map((one, i) => one?.logps.map(Math.exp).concat(endOf(paths[i]!))),
        tokens: sum(read.map((one) => one?.tokens ?? 0)),
      };
    },
  },
  oracle: {
    chosenBy: 'config',
    needs: ['truth'],
    score: each(truthOf),
  },
  outcome: {
    chosenBy: 'method',
    needs: ['outcome'],
    ofPath: true,
    score: each(({ sample }) => same(sample, Number(sample.outcome.kind === 'right'))),
  },
} as const satisfies Record<ScorerName, ScorerKind>;

/** Scorers that `score.scorer` may name. */
export type ConfiguredScorer = {
  [K in ScorerName]: (typeof SCORERS)[K]['chosenBy'] extends 'config' ? K : never;
}[ScorerName];

export function isConfiguredScorer(name: ScorerName): name is ConfiguredScorer {
  return SCORERS[name].chosenBy === 'config';
}

/** Whether the steps of a path have scores of their own. */
export function scoresSteps(name: ScorerName): boolean {
  const { ofPath = false }: ScorerKind = SCORERS[name];
  return !ofPath;
}

/** How often a scorer's models read a path. */
export function scorerPasses(name: ScorerName): number {
  const { passes = 1 }: ScorerKind = SCORERS[name];
  return passes;
}

export function scorerNeeds(name: ScorerName, need: ScorerNeed): boolean {
  const { needs }: ScorerKind = SCORERS[name];
  return needs.includes(need);
}

/** True for a scorer that can score paths of no round: it reads neither rollouts nor the path's own grade. */
export function readsNewPaths(name: ScorerName): boolean {
  return !scorerNeeds(name, 'tallies') && !scorerNeeds(name, 'outcome');
}

/** True where every task of `task` has what the scorer reads of it beside models. */
export function scorerReads(name: ScorerName, task: Task): boolean {
  return signalsOf(name).every((signal) => hasSignal(task, signal));
}

/** @throws SipfError 'unsupported' where a task lacks what the scorer reads of it. */
export function requireScorerSignals(name: ScorerName, task: Task): void {
  for (const signal of signalsOf(name)) requireSignal(task, signal, `score.scorer ${name}`);
}

function signalsOf(name: ScorerName): TaskSignal[] {
  return TASK_SIGNALS.filter((signal) => scorerNeeds(name, signal));
}

const TASK_SIGNALS = ['equations', 'truth', 'answer'] as const;

/**
 * Opens the scorer `name` with the models that it needs.
 * @throws SipfError 'bad-input' where `source` lacks one of them or its probe is of another model, and what `source` throws; no model stays open then.
 * @example
 * await using scorer = await openScorer('prm', { prm: () => backend.openPrm({ model: 'runs/first/iteration-1/3-prm' }) });
 * const { records } = await scoreUnit(items, { scorer, task, prompt });
 */
export async function openScorer(name: ScorerName, source: ScorerSource): Promise<Scorer> {
  const models: Reader[] = [];
  const close = async () => {
    for (const model of models) await model[Symbol.asyncDispose]();
  };
  const opened = async <M extends Reader>(open: (() => Promise<M>) | undefined, what: string): Promise<M> => {
    const model = await given(open, what, name)();
    models.push(model);
    return model;
  };
  const { score, passes = 1 }: ScorerKind = SCORERS[name];
  try {
    const prm = scorerNeeds(name, 'prm') ? await opened(source.prm, 'a process reward model') : undefined;
    const policy = scorerNeeds(name, 'policy') ? await opened(source.policy, 'a policy') : undefined;
    const weighs = scorerNeeds(name, 'calibration');
    const calibration = weighs ? given(source.calibration, 'a calibration', name) : undefined;
    const probe = scorerNeeds(name, 'probe') ? given(source.probe, 'a probe', name) : undefined;
    if (probe !== undefined) checkProbe(probe, policy!);
    return {
      name,
      models,
      passes,
      prm: prm?.hash ?? null,
      score: async (paths, context) => {
        requireScorerSignals(name, context.task);
        return score(paths, { ...context, prm, policy, calibration, probe });
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function given<T>(value: T | undefined, what: string, name: ScorerName): T {
  if (value !== undefined) return value;
  throw new SipfError('bad-input', `Expected ${what} for the scorer ${name}, got none. Give one.`);
}

interface ScorerHashes {
  readonly prm: string | null;
  readonly policy: string | null;
  readonly calibration: ScoreCalibration | null;
  readonly probe: Probe | null;
}

/** What scores depend on besides the paths: part of a stage's inputs. Models by hash; `model`: that of a scorer with a single one. */
export function scorerInputs(
  name: ScorerName,
  { prm, policy, calibration, probe }: ScorerHashes,
): Record<string, unknown> {
  if (scorerNeeds(name, 'probe')) return { model: null, policy, probe: probe && sha256(canonicalJson(probe)) };
  if (scorerNeeds(name, 'calibration')) return { model: null, prm, policy, calibration };
  return { model: scorerNeeds(name, 'prm') ? prm : scorerNeeds(name, 'policy') ? policy : null };
}

/** A scorer that looks at one path at a time. */
function each(
  scoresOf: (path: LabelledPath, context: ReadContext) => readonly number[] | undefined,
): ScorerKind['score'] {
  return async (paths, context) => ({ scores: paths.map((path) => scoresOf(path, context)) });
}

function same({ steps }: Sample, score: number): number[] {
  return steps.map(() => score);
}

function truthOf({ question, sample }: LabelledPath, { task }: ReadContext): number[] {
  const truth = taskOf(task, question).trueSteps?.(question, sample.steps) ?? null;
  if (truth !== null) return truth.map(Number);
  throw new SipfError(
    'unsupported',
    `Expected a question whose true steps are known for score.scorer oracle, got ${question.id}. Leave it out, or choose another score.scorer.`,
  );
}
