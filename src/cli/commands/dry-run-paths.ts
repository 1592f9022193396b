// A start model -> graded paths of a few questions: how often they are right, and differ.
import { availableParallelism } from 'node:os';
import { SipfError } from '../../errors.ts';
import { samplingOf } from '../../method/draw.ts';
import { keepDistinct } from '../../method/sample.ts';
import type { Outcome, Question, Sample } from '../../records.ts';
import type { Interval } from '../../reports.ts';
import { mean, sum, wilson } from '../../statistics/intervals.ts';
import { type GivenText, gradeWithRetries, taskOf } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import type { Probe } from './dry-run-probes.ts';
import { drawAll } from './generate.ts';
import { inOrder } from './grade.ts';

/** Questions whose paths are sampled. */
const PATH_QUESTIONS = 32;
/** Fewer paths than this say nothing of a success rate. */
const FEWEST_PATHS = 16;
const PATHS_MS = 24_000;
/** A slow model has so long for the fewest: without them its success would be a guess. */
const FEWEST_PATHS_MS = 120_000;
const GRADE_MS = 8_000;
/** Comparing numbers takes less than this many seconds, which no estimate need count. */
const NO_TIME = 5e-3;

export interface ProbePath extends GivenText {
  readonly index: number;
  readonly tokens: number;
}

/** Paths of the start model as the run's first round draws them: of each question as many as there is time for at `speed` tokens a second, and none where these are too few. */
export async function samplePaths(speed: number, probe: Probe): Promise<ProbePath[]> {
  const { config, task, prompts } = probe.start;
  const longest = config.sampling.maxTokens ?? task.maxTokens;
  const within = (ms: number) => Math.floor((ms / 1000) * (speed / longest));
  const affordable = Math.max(within(PATHS_MS), Math.min(FEWEST_PATHS, within(FEWEST_PATHS_MS)));
  const most = Math.min(PATH_QUESTIONS, probe.questions.length);
  const samples = Math.max(1, Math.min(config.sampling.samples, Math.floor(affordable / most)));
  const questions = probe.questions.slice(0, Math.min(most, Math.floor(affordable / samples)));
  const planned = questions.flatMap((question) => Array.from({ length: samples }, (_, index) => ({ question, index })));
  if (planned.length < Math.min(FEWEST_PATHS, most * config.sampling.samples)) return [];
  const requests = planned.map(({ question, index }, i) => ({
    id: String(i),
    context: [prompts.prompt(question)],
    key: `dry-run/${config.seed}/${question.id}/${index}`,
    sampling: samplingOf(config.sampling, taskOf(task, question)),
  }));
  const drawn = await drawAll(probe.policy, requests, { title: 'sample', unit: 'paths' }, probe.terminal);
  return drawn.map(({ text, finishReason, tokens }, i) => ({ ...planned[i]!, text, finishReason, tokens }));
}

interface GradedText<T> {
  readonly given: T;
  readonly isRight: boolean;
}

export interface Graded<T> {
  readonly texts: readonly GradedText<T>[];
  /** Programs that ran into sandbox.timeout. */
  readonly timedOut: number;
  /** Until a text is graded, on average over as many at a time as there are cores. */
  readonly secondsEach: number;
}

/** Grades texts as the run does. Programs: as many as there is time for; one that is still running then counts as one that never ends. */
export async function gradeTexts<T extends GivenText>(
  texts: readonly T[],
  { start, terminal }: Probe,
): Promise<Graded<T>> {
  const { task, config } = start;
  const runsPrograms = task.gradedBy === 'tests';
  const timeoutMs = 1000 * config.sandbox.timeout;
  const atOnce = runsPrograms ? availableParallelism() : 1;
  const gradeAll = async (some: readonly T[]) => {
    const ends = runsPrograms ? performance.now() + GRADE_MS : Number.POSITIVE_INFINITY;
    const gradeOne = async (given: T) => {
      const now = performance.now();
      if (now >= ends) return [];
      const limit = runsPrograms ? [AbortSignal.timeout(Math.ceil(ends - now + Math.min(timeoutMs, GRADE_MS)))] : [];
      const signal = AbortSignal.any([terminal.signal, ...limit]);
      const kind = await kindOf(gradeWithRetries(task, given, 0, signal), terminal);
      return [{ given, kind, ms: kind === 'endless' ? timeoutMs : performance.now() - now }];
    };
    const grades = [];
    for await (const found of inOrder(some, gradeOne, atOnce)) grades.push(...found);
    return grades.filter(({ kind }) => kind !== 'error');
  };
  // The first programs pay for the interpreters.
  if (runsPrograms) await gradeAll(texts.slice(0, atOnce));
  const grades = await gradeAll(texts);
  const secondsEach = sum(grades.map(({ ms }) => ms)) / 1000 / Math.max(1, grades.length) / atOnce;
  return {
    texts: grades.map(({ given, kind }) => ({ given, isRight: kind === 'right' })),
    timedOut: grades.filter(({ kind }) => kind === 'endless').length,
    secondsEach: secondsEach < NO_TIME ? 0 : secondsEach,
  };
}

async function kindOf(
  graded: Promise<{ outcome: Outcome }>,
  { signal }: Terminal,
): Promise<Outcome['kind'] | 'endless'> {
  try {
    const { outcome } = await graded;
    return outcome.kind === 'wrong' && outcome.reason === 'timeout' ? 'endless' : outcome.kind;
  } catch (error) {
    // The probe's own limit, not a person's Ctrl-C.
    if (error instanceof SipfError && error.code === 'aborted' && !signal.aborted) return 'endless';
    throw error;
  }
}

/** What graded paths say: a share, with the interval that their questions allow. */
export interface PathSuccess {
  readonly right: number;
  readonly n: number;
  readonly questions: number;
  /** Wilson's, for as many independent paths as the spread between questions leaves. */
  readonly ci95: Interval;
}

/** Paths of one question are alike: where questions differ much, many paths of few questions say little more than one of each. */
export function pathSuccess(texts: readonly GradedText<GivenText>[]): PathSuccess {
  const byQuestion = new Map<Question, boolean[]>();
  for (const { given, isRight } of texts)
    byQuestion.set(given.question, [...(byQuestion.get(given.question) ?? []), isRight]);
  const shares = [...byQuestion.values()].map((rights) => mean(rights.map(Number)));
  const [questions, n] = [shares.length, texts.length];
  const right = texts.filter(({ isRight }) => isRight).length;
  const share = right / n;
  const variance = sum(shares.map((one) => (one - share) ** 2)) / Math.max(1, questions - 1) / questions;
  const independent = variance > 0 ? Math.min(n, Math.max(questions, (share * (1 - share)) / variance)) : questions;
  return { right, n, questions, ci95: wilson(share * independent, independent) };
}

/** Graded paths as the samples that the run would keep. */
export function keptSamples(
  texts: readonly GradedText<ProbePath>[],
  { start }: Probe,
): ReadonlyMap<Question, Sample[]> {
  const { task, config } = start;
  const drawn = new Map<Question, Sample[]>();
  for (const { given, isRight } of texts)
    drawn.set(given.question, [...(drawn.get(given.question) ?? []), sampleOf(given, isRight, start)]);
  if (!config.sampling.distinct) return drawn;
  return new Map(
    [...drawn].map(([question, samples]) => [question, keepDistinct(taskOf(task, question), [], samples)]),
  );
}

function sampleOf(
  { question, index, text, finishReason, tokens }: ProbePath,
  isRight: boolean,
  { task }: Probe['start'],
): Sample {
  return {
    id: `${question.id}/0/${index}`,
    questionId: question.id,
    source: 'policy',
    iteration: 0,
    index,
    policy: '',
    steps: taskOf(task, question).split(text),
    finishReason,
    tokens,
    sumLogp: null,
    extracted: null,
    outcome: isRight ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
  };
}

/** Shares of right and of wrong paths that are no duplicates; nothing of a kind that was not drawn. */
export function distinctShares(
  texts: readonly GradedText<GivenText>[],
  kept: ReadonlyMap<Question, readonly Sample[]>,
): { distinctRight?: number; distinctWrong?: number } {
  const isRight = ({ outcome }: Sample) => outcome.kind === 'right';
  const all = [...kept.values()].flat();
  const shareOf = (right: boolean) => {
    const drawn = texts.filter((one) => one.isRight === right).length;
    return drawn === 0 ? null : all.filter((sample) => isRight(sample) === right).length / drawn;
  };
  const [right, wrong] = [shareOf(true), shareOf(false)];
  return { ...(right === null ? {} : { distinctRight: right }), ...(wrong === null ? {} : { distinctWrong: wrong }) };
}
