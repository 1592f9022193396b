// A checked run and its prompts -> this machine's speeds, and paths of the start model, in seconds.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Backend, Completion, Policy, SftExample } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { keyedOrder } from '../../hashing.ts';
import { goldRows } from '../../method/align-rows.ts';
import { samplingOf } from '../../method/draw.ts';
import { textsOf, trainOptions } from '../../method/train-options.ts';
import type { RunStart } from '../../pipeline/start.ts';
import type { Outcome, Question } from '../../records.ts';
import { taskOf } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { inOrder } from './grade.ts';

export interface ProbeArgs {
  readonly start: RunStart;
  readonly backend: Backend;
  readonly terminal: Terminal;
}

/** Questions of one probe at most. */
const MOST = 64;
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
  return keyedOrder(prompts.asked, `dry-run/${config.seed}`, ({ id }) => id).slice(0, MOST);
}

/** Does `work` on one item, then on four times as many, as long as that fits `budgetMs`; the result for the most items, the fairest. */
async function growing<T>(items: readonly T[], budgetMs: number, work: (some: readonly T[]) => Promise<number>) {
  const ends = performance.now() + budgetMs;
  // The first call pays for sessions and caches.
  let size = Math.min(1, items.length);
  let found = await work(items.slice(0, size));
  for (let next = size; next <= items.length; next = Math.min(items.length, 4 * size)) {
    const started = performance.now();
    found = await work(items.slice(0, next));
    const took = performance.now() - started;
    if (next === items.length || performance.now() + 4 * took > ends) break;
    size = next;
  }
  return found;
}

export interface Speeds {
  readonly promptTokensPerSecond: number;
  readonly generatedTokensPerSecond: number;
  /** Mean tokens of a prompt. */
  readonly promptTokens: number;
}

/** Reading and writing speed of the policy, in batches as large as the time allows. */
export async function measureSpeeds(policy: Policy, questions: readonly Question[], args: ProbeArgs): Promise<Speeds> {
  const { start, terminal } = args;
  const { prompts } = start;
  const { signal } = terminal;
  const texts = questions.map(prompts.prompt);
  const counts = new Map((await policy.countTokens(texts)).map((count, i) => [texts[i]!, count]));
  const tokensOf = (some: readonly string[]) => some.reduce((sum, text) => sum + (counts.get(text) ?? 0), 0);
  const timed = async (work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    return Math.max(1e-3, (performance.now() - started) / 1000);
  };
  const read = await growing(texts, READ_MS, async (some) => {
    const items = some.map((prompt) => ({ context: [prompt], completion: '\n' }));
    return tokensOf(some) / (await timed(() => policy.logps(items, { signal })));
  });
  const sampling = { temperature: 1, maxTokens: WRITE_TOKENS, ignoreEos: true };
  const written = await growing(texts, WRITE_MS, async (some) => {
    const requests = some.map((prompt, i) => ({ id: String(i), context: [prompt], key: `dry-run/${i}`, sampling }));
    let tokens = 0;
    const seconds = await timed(async () => {
      tokens = (await policy.generate(requests, () => [], { signal })).generatedTokens;
    });
    return tokens / Math.max(0.2 * seconds, seconds - tokensOf(some) / read);
  });
  return {
    promptTokensPerSecond: read,
    generatedTokensPerSecond: written,
    promptTokens: tokensOf(texts) / Math.max(1, texts.length),
  };
}

export interface ProbePath {
  readonly question: Question;
  readonly completion: Completion;
}

/** Real paths of the start model, one a question, drawn as rollouts are; as many as there is time for, and none where that is too few. */
export async function samplePaths(
  policy: Policy,
  questions: readonly Question[],
  generatedTokensPerSecond: number,
  { start, terminal }: ProbeArgs,
): Promise<ProbePath[]> {
  const { config, task, prompts } = start;
  const longest = config.labels.maxTokens ?? task.maxTokens;
  const affordable = Math.floor((PATHS_MS / 1000) * (generatedTokensPerSecond / longest));
  const chosen = questions.slice(0, affordable);
  if (chosen.length < Math.min(FEWEST_PATHS, questions.length)) return [];
  const progress = terminal.progress({ title: 'sample', unit: 'paths', total: chosen.length });
  const paths: ProbePath[] = [];
  const requests = chosen.map((question, i) => ({
    id: String(i),
    context: [prompts.prompt(question)],
    key: `dry-run/${config.seed}/${question.id}`,
    sampling: samplingOf(config.labels, taskOf(task, question)),
  }));
  const onFinished = (finished: readonly Completion[]) => {
    for (const completion of finished) paths.push({ question: chosen[Number(completion.id)]!, completion });
    progress.update(paths.length);
    return [];
  };
  try {
    await policy.generate(requests, onFinished, { signal: terminal.signal });
  } finally {
    progress.end();
  }
  return paths.sort((a, b) => Number(a.completion.id) - Number(b.completion.id));
}

/** A text to grade. */
export interface GivenText {
  readonly question: Question;
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
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
export async function gradeTexts(texts: readonly GivenText[], { start, terminal }: ProbeArgs): Promise<Graded> {
  const { task, config } = start;
  const runsPrograms = (task.members ?? [task]).some(({ gradedBy }) => gradedBy === 'tests');
  const timeoutMs = 1000 * config.sandbox.timeout;
  const atOnce = runsPrograms ? availableParallelism() : 1;
  const grade = async ({ question, text, finishReason }: GivenText, ends: number): Promise<OneGrade | null> => {
    const now = performance.now();
    if (now >= ends) return null;
    const limit = runsPrograms ? [AbortSignal.timeout(Math.ceil(ends - now + Math.min(timeoutMs, GRADE_MS)))] : [];
    const signal = AbortSignal.any([terminal.signal, ...limit]);
    const own = taskOf(task, question);
    const kind = await kindOf(
      async () => (await own.grade(question, text, finishReason, { signal })).outcome,
      terminal,
    );
    return { kind, ms: kind === 'endless' ? timeoutMs : performance.now() - now };
  };
  const all = async (some: readonly GivenText[]) => {
    const ends = runsPrograms ? performance.now() + GRADE_MS : Number.POSITIVE_INFINITY;
    const grades: OneGrade[] = [];
    for await (const one of inOrder(some, (given) => grade(given, ends), atOnce)) if (one !== null) grades.push(one);
    return grades.filter(({ kind }) => kind !== 'error');
  };
  // The first programs pay for the interpreters.
  if (runsPrograms) await all(texts.slice(0, atOnce));
  const grades = await all(texts);
  const count = (kind: OneGrade['kind']) => grades.filter((one) => one.kind === kind).length;
  const n = grades.length;
  const secondsEach = n === 0 ? 0 : grades.reduce((sum, { ms }) => sum + ms, 0) / 1000 / n / atOnce;
  return { right: count('right'), n, timedOut: count('endless'), secondsEach: secondsEach < NO_TIME ? 0 : secondsEach };
}

interface OneGrade {
  readonly kind: 'right' | 'wrong' | 'endless' | 'error';
  readonly ms: number;
}

async function kindOf(grade: () => Promise<Outcome>, { signal }: Terminal): Promise<OneGrade['kind']> {
  try {
    const outcome = await grade();
    return outcome.kind === 'wrong' && outcome.reason === 'timeout' ? 'endless' : outcome.kind;
  } catch (error) {
    // The probe's own limit, not a person's Ctrl-C.
    if (error instanceof SipfError && error.code === 'aborted' && !signal.aborted) return 'endless';
    throw error;
  }
}

/** Rows to train on while measuring: worked solutions, else the model's own paths. */
export function probeRows({ start }: ProbeArgs, paths: readonly ProbePath[]): SftExample[] {
  const { task, prompts } = start;
  const gold = goldRows(prompts.asked, 4 * MOST, 'dry-run', { task, prompt: prompts.prompt });
  if (gold.length > 0) return gold;
  return paths.map(({ question, completion }) => ({
    kind: 'sft',
    prompt: prompts.prompt(question),
    completion: [completion.text],
  }));
}

interface TrainingProbe {
  readonly rows: readonly SftExample[];
  /** A folder for what is trained. */
  readonly folder: string;
  readonly readTokensPerSecond: number;
}

/** Trained tokens a second with the settings of align, one pass a step; null: no row that fits, or no step within the time. */
export async function measureTraining(
  policy: Pick<Policy, 'countTokens'>,
  { rows, folder, readTokensPerSecond }: TrainingProbe,
  { start, backend, terminal }: ProbeArgs,
): Promise<number | null> {
  const { align, seed } = start.config;
  const { maxLength, tokensPerPass } = align.train;
  const counts = await policy.countTokens(rows.map((row) => textsOf(row).join('')));
  const fitting = rows.filter((_, i) => (counts[i] ?? 0) + 2 <= maxLength);
  if (fitting.length === 0) return null;
  const meanTokens = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  // Three passes, each three times the cost of reading, fit the time; a fast machine takes whole ones.
  const affordable = (readTokensPerSecond * TRAIN_MS) / 1000 / 9;
  const perPass = Math.floor(Math.min(tokensPerPass, affordable) / meanTokens);
  const batchSize = Math.max(1, Math.min(align.train.batchSize, fitting.length, perPass));
  const settings = { ...align.train, batchSize, epochs: 1000, checkpointEverySteps: 1000 };
  const options = trainOptions(settings, { kind: 'sft', scope: 'completion' }, seed, 12);
  const enough = new AbortController();
  const signal = AbortSignal.any([terminal.signal, enough.signal]);
  const times: { at: number; tokens: number }[] = [];
  const started = performance.now();
  const onStep = ({ tokens }: { tokens: number }) => {
    const now = performance.now();
    times.push({ at: now, tokens });
    if (times.length > 1 && now - started > TRAIN_MS) enough.abort(new SipfError('aborted', 'Measured enough.'));
  };
  const job = { source: start.base, examples: fitting, options, out: join(folder, 'trained') };
  await backend.train(job, onStep, { signal }).catch((error: unknown) => {
    if (!enough.signal.aborted || terminal.signal.aborted) throw error;
  });
  // The first step pays for the session.
  const [first, ...rest] = times;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return null;
  return (1000 * rest.reduce((sum, { tokens }) => sum + tokens, 0)) / Math.max(1, last.at - first.at);
}
