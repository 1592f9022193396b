// The largest sizes that make sense: a larger one is refused before it takes memory or time.
import { availableParallelism, cpus } from 'node:os';
import { SipfError } from './errors.ts';

/** Threads of one operation, and processes at a time: more than there are cores only wait for each other. */
export const MOST_THREADS = Math.max(1, cpus().length, availableParallelism());

export const MOST = {
  /** Completions of one question. */
  samples: 10_000,
  /** Tokens of one text or pass. */
  tokens: 2 ** 20,
  /** Questions, records or pairs in one unit of work or one batch: they are in memory together. */
  unit: 2 ** 16,
  /** Sequences that are decoded together. */
  slots: 4096,
  questions: 10_000_000,
  shots: 1000,
  rounds: 10_000,
  retries: 100,
  /** Tokens that are told beside the one that stands at a place. */
  likeliest: 20,
  /** Seconds of a program: a day. */
  seconds: 86_400,
  workers: 1024,
  /** MiB of a program: a tebibyte. */
  memoryMb: 2 ** 20,
  /** Rank of an adapter. */
  rank: 4096,
  /** Width, layers and heads of a model made from nothing. A graph of many layers takes minutes to build, which no signal interrupts. */
  width: 2 ** 16,
  layers: 128,
  heads: 1024,
} as const;

/**
 * Checks an option of the engine or the sandbox.
 * @throws SipfError 'bad-input' where it is not a whole number from 1 to `most`.
 */
export function checkCount(name: string, value: number | undefined, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= most)) return;
  throw new SipfError('bad-input', `Expected ${name} from 1 to ${most}, got ${value}. Give a number in that range.`);
}
