// Two formulas -> right, wrong, or out of time, compared in a thread that can be ended.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { SipfError } from '../../../errors.ts';
import { type ExpressionTests, sameMath } from './same-math.ts';
import type { Asked, Told } from './worker.ts';

export type Verdict = 'same' | 'different' | 'timeout';

/** For one comparison, once the thread is there. Ordinary ones take milliseconds. */
const LIMIT_MS = 5000;
/** For the thread to start, on a busy machine. */
const START_MS = 120_000;
const MEMORY_MIB = 512;

/** Compares answers one after the other; holds a thread from the first comparison that needs the library. */
export class MathComparer implements AsyncDisposable {
  readonly #limitMs: number;
  #worker: Promise<Worker> | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor({ limitMs = LIMIT_MS }: { limitMs?: number } = {}) {
    this.#limitMs = limitMs;
  }

  /** Whether `given` is the answer `wanted`. `timeout`: it was still unknown after five seconds, or had taken all memory. */
  async compare(wanted: string, given: string): Promise<Verdict> {
    try {
      return sameMath(wanted, given, unavailable) ? 'same' : 'different';
    } catch (error) {
      if (error !== NEEDS_LIBRARY) throw error;
    }
    const answer = this.#queue.then(() => this.#ask(wanted, given));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    const worker = await this.#worker?.catch(() => null);
    this.#worker = null;
    await worker?.terminate();
  }

  async #ask(wanted: string, given: string): Promise<Verdict> {
    this.#worker ??= start();
    const worker = await this.#worker.catch((error: unknown) => {
      this.#worker = null;
      throw error;
    });
    worker.ref();
    worker.postMessage({ wanted, given } satisfies Asked);
    const told = await answerOf(worker, this.#limitMs);
    // Waiting for the next comparison keeps no process alive.
    worker.unref();
    if (told === 'same' || told === 'different') return told;
    this.#worker = null;
    await worker.terminate();
    return 'timeout';
  }
}

const NEEDS_LIBRARY = new Error('This comparison needs the library.');
const refuse = (): never => {
  throw NEEDS_LIBRARY;
};
const unavailable: ExpressionTests = { equal: refuse, ratio: refuse };

/** Beside this file in a package, in dist/ when this file is a source. */
const IN_DIST = import.meta.url.endsWith('.ts') ? '../../../../dist/tasks/math/formulas' : '.';

async function start(): Promise<Worker> {
  const worker = new Worker(new URL(`${IN_DIST}/worker.js`, import.meta.url), {
    name: 'sipf-math',
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  });
  let failure: unknown = null;
  worker.on('error', (error) => {
    failure = error;
  });
  if ((await answerOf(worker, START_MS)) !== null) return worker;
  await worker.terminate();
  throw new SipfError(
    'unsupported',
    `Expected a thread that compares expressions, got none in ${START_MS / 1000} s${failure instanceof Error ? ` (${failure.message})` : ''}. Run \`npm ci\` (from a checkout also \`npm run build\`), or the command again.`,
    { cause: failure },
  );
}

/** The next message; null where the thread fails or `limitMs` pass first. */
async function answerOf(worker: Worker, limitMs: number): Promise<Told | null> {
  const signal = AbortSignal.timeout(limitMs);
  const [told] = await once(worker, 'message', { signal }).catch(() => [null]);
  return told as Told | null;
}
