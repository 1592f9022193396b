// A checked run and its open start model -> this machine's speeds, and sampled paths, in seconds.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend, Policy, SftExample } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { keyedOrder } from '../../hashing.ts';
import { samplingOf } from '../../method/draw.ts';
import { textsOf, trainOptions } from '../../method/train-options.ts';
import type { RunStart } from '../../pipeline/start.ts';
import type { Outcome, Question } from '../../records.ts';
import { sum } from '../../statistics/intervals.ts';
import { type GivenText, gradeWithRetries, taskOf } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { drawAll } from './generate.ts';
import { inOrder } from './grade.ts';

export interface Probe {
  readonly start: RunStart;
  readonly backend: Backend;
  /** The start model. */
  readonly policy: Policy;
  readonly questions: readonly Question[];
  readonly terminal: Terminal;
}

/** Questions of one probe at most. */
export const MOST_QUESTIONS = 64;
/** Fewer sampled paths than this say nothing of a success rate. */
const FEWEST_PATHS = 16;
const READ_MS = 5_000;
const WRITE_MS = 7_000;
const PATHS_MS = 24_000;
const GRADE_MS = 8_000;
const TRAIN_MS = 8_000;
const WRITE_TOKENS = 16;
/** Comparing numbers takes less than this many seconds, which no estimate need count. */
const NO_TIME = 5e-3;

/** Questions to probe with: an even draw, so that the order of a file does not count. */
export function probeQuestions({ config, prompts }: RunStart): readonly Question[] {
  return keyedOrder(prompts.asked, `dry-run/${config.seed}`, ({ id }) => id).slice(0, MOST_QUESTIONS);
}

/** Does `work` on one item, then on four times as many, as long as that fits `budgetMs`; the result for the most items, the fairest. */
async function growing<T>(items: readonly T[], budgetMs: number, work: (some: readonly T[]) => Promise<number>) {
  const ends = performance.now() + budgetMs;
  // The first call pays for sessions and caches.
  await work(items.slice(0, 1));
  for (let size = 1; ; size *= 4) {
    const started = performance.now();
    const found = await work(items.slice(0, size));
    const took = performance.now() - started;
    if (size >= items.length || performance.now() + 4 * took > ends) return found;
  }
}

/** Reading and writing speed of the policy, in batches as large as the time allows, and the mean tokens of a prompt. */
export async function measureSpeeds({ start, policy, questions, terminal: { signal } }: Probe) {
  const texts = questions.map(start.prompts.prompt);
  const counts = new Map((await policy.countTokens(texts)).map((count, i) => [texts[i]!, count]));
  const tokensOf = (some: readonly string[]) => sum(some.map((text) => counts.get(text) ?? 0));
  const secondsSince = (started: number) => Math.max(1e-3, (performance.now() - started) / 1000);
  const read = await growing(texts, READ_MS, async (some) => {
    const items = some.map((prompt) => ({ context: [prompt], completion: '\n' }));
    const started = performance.now();
    await policy.logps(items, { signal });
    return tokensOf(some) / secondsSince(started);
  });
  const sampling = { temperature: 1, maxTokens: WRITE_TOKENS, ignoreEos: true };
  const written = await growing(texts, WRITE_MS, async (some) => {
    const requests = some.map((prompt, i) => ({ id: String(i), context: [prompt], key: `dry-run/${i}`, sampling }));
    const started = performance.now();
    const { generatedTokens } = await policy.generate(requests, () => [], { signal });
    const seconds = secondsSince(started);
    return generatedTokens / Math.max(0.2 * seconds, seconds - tokensOf(some) / read);
  });
  return {
    promptTokensPerSecond: read,
    generatedTokensPerSecond: written,
    promptTokens: tokensOf(texts) / Math.max(1, texts.length),
  };
}

export interface ProbePath extends GivenText {
  readonly tokens: number;
}

/** Paths of the model that rolls out, one a question, drawn as rollouts are: as many as there is time for at `speed` tokens a second, and none where that is too few. */
export async function samplePaths(policy: Policy, speed: number, probe: Probe): Promise<ProbePath[]> {
  const { config, task, prompts } = probe.start;
  const longest = config.labels.maxTokens ?? task.maxTokens;
  const chosen = probe.questions.slice(0, Math.floor((PATHS_MS / 1000) * (speed / longest)));
  if (chosen.length < Math.min(FEWEST_PATHS, probe.questions.length)) return [];
  const requests = chosen.map((question, i) => ({
    id: String(i),
    context: [prompts.prompt(question)],
    key: `dry-run/${config.seed}/${question.id}`,
    sampling: samplingOf(config.labels, taskOf(task, question)),
  }));
  const drawn = await drawAll(policy, requests, { title: 'sample', unit: 'paths' }, probe.terminal);
  return drawn.map(({ text, finishReason, tokens }, i) => ({ question: chosen[i]!, text, finishReason, tokens }));
}

export interface Graded {
  readonly right: number;
  readonly n: number;
  /** Programs that ran into sandbox.timeout. */
  readonly timedOut: number;
  /** Until a text is graded, on average over as many at a time as there are cores. */
  readonly secondsEach: number;
}

/** Grades texts as the run does. Programs: as many as there is time for; one that is still running then counts as one that never ends. */
export async function gradeTexts(texts: readonly GivenText[], { start, terminal }: Probe): Promise<Graded> {
  const { task, config } = start;
  const runsPrograms = task.gradedBy === 'tests';
  const timeoutMs = 1000 * config.sandbox.timeout;
  const atOnce = runsPrograms ? availableParallelism() : 1;
  const gradeAll = async (some: readonly GivenText[]) => {
    const ends = runsPrograms ? performance.now() + GRADE_MS : Number.POSITIVE_INFINITY;
    const gradeOne = async (given: GivenText) => {
      const now = performance.now();
      if (now >= ends) return [];
      const limit = runsPrograms ? [AbortSignal.timeout(Math.ceil(ends - now + Math.min(timeoutMs, GRADE_MS)))] : [];
      const signal = AbortSignal.any([terminal.signal, ...limit]);
      const kind = await kindOf(gradeWithRetries(task, given, 0, signal), terminal);
      return [{ kind, ms: kind === 'endless' ? timeoutMs : performance.now() - now }];
    };
    const grades = [];
    for await (const found of inOrder(some, gradeOne, atOnce)) grades.push(...found);
    return grades.filter(({ kind }) => kind !== 'error');
  };
  // The first programs pay for the interpreters.
  if (runsPrograms) await gradeAll(texts.slice(0, atOnce));
  const grades = await gradeAll(texts);
  const n = grades.length;
  const count = (kind: GradeKind) => grades.filter((one) => one.kind === kind).length;
  const secondsEach = sum(grades.map(({ ms }) => ms)) / 1000 / Math.max(1, n) / atOnce;
  return { right: count('right'), n, timedOut: count('endless'), secondsEach: secondsEach < NO_TIME ? 0 : secondsEach };
}

type GradeKind = Outcome['kind'] | 'endless';

async function kindOf(graded: Promise<{ outcome: Outcome }>, { signal }: Terminal): Promise<GradeKind> {
  try {
    const { outcome } = await graded;
    return outcome.kind === 'wrong' && outcome.reason === 'timeout' ? 'endless' : outcome.kind;
  } catch (error) {
    // The probe's own limit, not a person's Ctrl-C.
    if (error instanceof SipfError && error.code === 'aborted' && !signal.aborted) return 'endless';
    throw error;
  }
}

/** Trained tokens a second with the settings of align, one pass a step; null: no row that fits, or no step within the time. */
export async function measureTraining(
  rows: readonly SftExample[],
  readTokensPerSecond: number,
  { start, backend, policy, terminal }: Probe,
): Promise<number | null> {
  const { align, seed } = start.config;
  const { maxLength, tokensPerPass } = align.train;
  const counts = await policy.countTokens(rows.map((row) => textsOf(row).join('')));
  const examples = rows.filter((_, i) => (counts[i] ?? 0) + 2 <= maxLength);
  if (examples.length === 0) return null;
  // Three passes, each three times the cost of reading, fit the time; a fast machine takes whole ones.
  const affordable = (readTokensPerSecond * TRAIN_MS) / 1000 / 9;
  const perPass = Math.floor(Math.min(tokensPerPass, affordable) / (sum(counts) / counts.length));
  const batchSize = Math.max(1, Math.min(align.train.batchSize, examples.length, perPass));
  const settings = { ...align.train, batchSize, epochs: 1000, checkpointEverySteps: 1000 };
  const options = trainOptions(settings, { kind: 'sft', scope: 'completion' }, seed, 12);
  const enough = new AbortController();
  const signal = AbortSignal.any([terminal.signal, enough.signal]);
  const times: { at: number; tokens: number }[] = [];
  const started = performance.now();
  const onStep = ({ tokens }: { tokens: number }) => {
    const at = performance.now();
    times.push({ at, tokens });
    if (times.length > 1 && at - started > TRAIN_MS) enough.abort(new SipfError('aborted', 'Measured enough.'));
  };
  const out = await mkdtemp(join(tmpdir(), 'sipf-dry-run-'));
  try {
    await backend.train({ source: start.base, examples, options, out: join(out, 'trained') }, onStep, { signal });
  } catch (error) {
    if (!enough.signal.aborted || terminal.signal.aborted) throw error;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
  // The first step pays for the session.
  const [first, ...rest] = times;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return null;
  return (1000 * sum(rest.map(({ tokens }) => tokens))) / Math.max(1, last.at - first.at);
}
