// A checked run and its open start model -> how fast this machine reads, writes and trains.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend, Policy, SftExample } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { keyedOrder } from '../../hashing.ts';
import { textsOf, trainOptions } from '../../method/train-options.ts';
import type { RunStart } from '../../pipeline/start.ts';
import type { Question } from '../../records.ts';
import { sum } from '../../statistics/intervals.ts';
import type { Terminal } from '../terminal.ts';

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
const READ_MS = 5_000;
const WRITE_MS = 7_000;
const TRAIN_MS = 8_000;
/** Optimizer steps that tell a speed. */
const MOST_STEPS = 64;
const WRITE_TOKENS = 16;

/** Questions to probe with: an even draw, so that the order of a file does not count. */
export function probeQuestions({ config, prompts }: RunStart): readonly Question[] {
  return keyedOrder(prompts.asked, `dry-run/${config.seed}`, ({ id }) => id).slice(0, MOST_QUESTIONS);
}

/**
 * Does `work` on one item, then on four times as many, as long as that fits `budgetMs`; the result for the most items, the fairest. Four times as many
 * are expected to take as many times longer as the last ones did: a batch that is decoded together takes little longer than one text.
 */
async function growing<T>(items: readonly T[], budgetMs: number, work: (some: readonly T[]) => Promise<number>) {
  const ends = performance.now() + budgetMs;
  // The first call pays for sessions and caches.
  await work(items.slice(0, 1));
  let factor = 4;
  let before = Number.NaN;
  for (let size = 1; ; size *= 4) {
    const started = performance.now();
    const found = await work(items.slice(0, size));
    const took = performance.now() - started;
    if (before > 0) factor = Math.min(4, took / before);
    before = took;
    if (size >= items.length || performance.now() + factor * took > ends) return found;
  }
}

/** Reading and writing speed of the policy, in batches as large as the time allows. */
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
  return { promptTokensPerSecond: read, generatedTokensPerSecond: written };
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
    if (times.length > MOST_STEPS || (times.length > 1 && at - started > TRAIN_MS))
      enough.abort(new SipfError('aborted', 'Measured enough.'));
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
