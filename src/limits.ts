// The largest sizes that anything here can do something with: a larger one is a slip of the finger, and is refused before it takes memory or time.
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
  /** Seconds of a program: a day. */
  seconds: 86_400,
  workers: 1024,
  /** MiB of a program: a tebibyte. */
  memoryMb: 2 ** 20,
} as const;

/** The configuration's keys that have one, by their last part or their whole name. */
const KEYS: Readonly<Record<string, number>> = {
  iterations: MOST.rounds,
  'task.limit': MOST.questions,
  'prompt.shots': MOST.shots,
  'sampling.samples': MOST.samples,
  'labels.K': MOST.samples,
  'labels.lookahead': MOST.unit,
  'sandbox.timeout': MOST.seconds,
  'model.init.hidden_size': 2 ** 16,
  'model.init.intermediate_size': 2 ** 18,
  'model.init.num_hidden_layers': 1024,
  'model.init.num_attention_heads': 1024,
  'model.init.num_key_value_heads': 1024,
  max_position_embeddings: MOST.tokens,
  rank: 4096,
  batchSize: MOST.unit,
  epochs: MOST.rounds,
  tokensPerPass: MOST.tokens,
  maxLength: MOST.tokens,
  maxTokens: MOST.tokens,
  unit: MOST.unit,
  gradeRetries: MOST.retries,
};

/** Throws SipfError 'bad-config' naming the first key of a configuration whose value is larger than anything makes sense of. */
export function checkSizes(config: unknown, path: readonly string[] = []): void {
  if (config === null || typeof config !== 'object' || Array.isArray(config)) return;
  for (const [key, value] of Object.entries(config as Record<string, unknown>)) {
    const place = [...path, key];
    const full = place.join('.');
    const most = KEYS[full] ?? KEYS[key];
    if (most !== undefined && typeof value === 'number' && value > most) throw tooLarge(full, most, value);
    checkSizes(value, place);
  }
}

/** Throws SipfError 'bad-input' where an option of the engine or the sandbox is not a whole number from 1 to `most`. */
export function checkCount(name: string, value: number | undefined, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= most)) return;
  throw new SipfError('bad-input', `Expected ${name} from 1 to ${most}, got ${value}. Give a number in that range.`);
}

function tooLarge(key: string, most: number, value: number): SipfError {
  return new SipfError('bad-config', `Expected ${key} of at most ${most}, got ${value}. Choose a smaller number.`);
}
