// Requests of any callers, at any time -> completions, one decode step at a time.
import { setImmediate as nextEvents } from 'node:timers/promises';
import type { Completion, DrawnToken, GenerateRequest, GenerateStats, ReadToken } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { ContextEncoder, type ContextTokenizer } from './context.ts';
import { bytesPerToken, type KvCache, type KvRows } from './kv-cache.ts';
import type { LanguageModel, PrefillRow } from './language-model.ts';
import { type PrefixNode, PrefixTree } from './prefix-tree.ts';
import { type CompletionTokenizer, checkSampling, Sequence } from './sequence.ts';

export interface SchedulerOptions {
  /** Tokens of one prefill pass, padding included. */
  readonly tokensPerPass?: number;
  /** Bytes of prefixes kept outside the slots; prefixes that no request ahead needs go first. */
  readonly prefixBytes?: number;
}

export interface Generator {
  readonly model: LanguageModel;
  readonly cache: KvCache;
  readonly tokenizer: CompletionTokenizer & ContextTokenizer;
}

interface SubmitOptions {
  /** Whose requests these are: callers share the slots evenly, however many requests each has. */
  readonly caller?: string;
  /** Told each token of these requests, after the decode step that drew it. */
  readonly onToken?: (drawn: DrawnToken) => void;
}

/** A request that has no slot yet, and its context's tokens. */
interface Waiting extends SubmitOptions {
  readonly request: GenerateRequest;
  readonly context: readonly number[];
  readonly caller: string;
}

/** A request in a slot. */
interface Running extends SubmitOptions {
  readonly sequence: Sequence;
}

/** Requests looked at, in slots' worth, when a prefill pass has room left. */
const LOOK_AHEAD = 4;
/** A prefill pass has at most this share of padding. */
const MAX_PADDING = 0.25;

/** One queue over the slots of a cache. Requests and cancellations come at any time, also during a step, and act at the next step. */
export class Scheduler implements Disposable {
  readonly #generator: Generator;
  readonly #tokensPerPass: number;
  readonly #prefixBytes: number;
  readonly #encoder: ContextEncoder;
  readonly #tree: PrefixTree;
  /** What came since the last step began. */
  readonly #submitted: Waiting[] = [];
  readonly #cancelled = new Set<string>();
  /** By arrival. */
  readonly #queue: Waiting[] = [];
  /** By slot: no holes between steps. */
  readonly #live: Running[] = [];
  #promptTokens = 0;
  #generatedTokens = 0;
  #stepping = false;

  constructor(generator: Generator, { tokensPerPass = 512, prefixBytes = 512 << 20 }: SchedulerOptions = {}) {
    this.#generator = generator;
    this.#tokensPerPass = tokensPerPass;
    this.#prefixBytes = prefixBytes;
    this.#encoder = new ContextEncoder(generator.tokenizer, generator.model.config.vocab);
    this.#tree = new PrefixTree(generator.cache, bytesPerToken(generator.model.config));
  }

  /** Whether any request has not ended. */
  get busy(): boolean {
    return this.#submitted.length + this.#queue.length > 0 || this.#live.some(({ sequence }) => !sequence.finished);
  }

  /** `promptTokens` are run through the model besides those of decode steps: a context's last token is fed by the first decode step. */
  get stats(): GenerateStats {
    return { promptTokens: this.#promptTokens, generatedTokens: this.#generatedTokens };
  }

  /**
   * Adds all of these requests, or none; those of one caller enter free slots in order.
   * @throws SipfError 'bad-input' when a context is empty or too long, or sampling options are out of range.
   */
  submit(requests: readonly GenerateRequest[], { caller = '', ...options }: SubmitOptions = {}): void {
    const added = requests.map((request): Waiting => {
      checkSampling(request.id, request.sampling);
      const context = this.#encoder.encode(request.context);
      checkContext(request.id, context.length, this.#generator.model.config.contextLength);
      return { request, context, caller, ...options };
    });
    this.#submitted.push(...added);
  }

  /** Ends the request `id` without a completion. */
  cancel(id: string): void {
    this.#cancelled.add(id);
  }

  /**
   * Gives free slots to requests, computing their contexts, draws one token in each slot, and returns what ended by it, in slot order.
   * @throws SipfError 'aborted' between two executions; 'diverged' when a log-probability is not a number.
   */
  async step(signal?: AbortSignal): Promise<Completion[]> {
    if (this.#stepping) throw new Error('A step is running: steps come one after another');
    this.#stepping = true;
    try {
      await this.#admit(await this.#receive(), signal);
      throwIfAborted(signal);
      return this.#live.length > 0 ? await this.#draw() : [];
    } finally {
      this.#stepping = false;
    }
  }

  /** Empties all slots and gives up all prefixes. */
  [Symbol.dispose](): void {
    const { cache } = this.#generator;
    this.#tree.clear();
    for (let slot = 0; slot < cache.slots; slot++) cache.release(slot);
  }

  async #draw(): Promise<Completion[]> {
    const { model, cache } = this.#generator;
    const rows = this.#live.map(({ sequence }) => sequence.row());
    const drawn = await model.step(cache, rows);
    this.#generatedTokens += drawn.length;
    for (const [slot, { sequence, onToken }] of this.#live.entries()) {
      const { token, logp, likeliest } = drawn[slot] as ReadToken;
      const added = sequence.push(token, logp, likeliest);
      onToken?.({ id: sequence.request.id, ...added, text: sequence.drawn() });
    }
    return this.#live.filter(({ sequence }) => sequence.finished).map(({ sequence }) => sequence.completion());
  }

  /** Takes what came since the last step; returns the slots that are free now below the last live one. */
  async #receive(): Promise<number[]> {
    const { cache } = this.#generator;
    const cancelled = ({ id }: GenerateRequest) => this.#cancelled.has(id);
    const arrived = this.#submitted.splice(0);
    for (const { context } of arrived) this.#tree.want(context.slice(0, -1));
    this.#queue.push(...arrived);
    for (const { context } of takeOut(this.#queue, ({ request }) => cancelled(request))) {
      this.#tree.release(context.slice(0, -1));
    }
    for (const { sequence } of this.#live) if (cancelled(sequence.request)) sequence.stop();
    this.#cancelled.clear();
    const ended = [...this.#live.entries()].filter(([, { sequence }]) => sequence.finished);
    for (const [slot, { sequence }] of arrived.length > 0 ? ended : []) {
      await this.#tree.adopt(sequence.tokens.slice(0, cache.length(slot)), (from, to) => cache.copyOut(slot, from, to));
    }
    for (const [slot] of ended) cache.release(slot);
    return ended.map(([slot]) => slot);
  }

  /** Puts requests into the free slots, then closes holes with the last slots. */
  async #admit(holes: number[], signal: AbortSignal | undefined): Promise<void> {
    const { cache, model, tokenizer } = this.#generator;
    while (this.#queue.length > 0 && (holes.length > 0 || this.#live.length < cache.slots)) {
      this.#bringForward(holes);
      const { request, context, ...options } = this.#queue[0] as Waiting;
      const prefix = context.slice(0, -1);
      const nodes = await this.#computed(prefix, signal);
      const slot = holes.shift() ?? this.#live.length;
      await cache.fork(
        slot,
        nodes.map(({ rows }) => rows as KvRows),
      );
      this.#live[slot] = {
        sequence: new Sequence(request, context, tokenizer, model.config.contextLength),
        ...options,
      };
      this.#queue.shift();
      this.#tree.release(prefix);
    }
    for (const hole of holes.reverse()) await this.#close(hole);
  }

  async #close(hole: number): Promise<void> {
    const last = this.#live.length - 1;
    if (hole !== last) {
      await this.#generator.cache.move(last, hole);
      this.#live[hole] = this.#live[last] as Running;
    }
    this.#live.pop();
  }

  /** Puts the next request first: of the callers with the fewest live slots, the one that came first. */
  #bringForward(holes: readonly number[]): void {
    const [first] = this.#queue as [Waiting];
    if (this.#queue.every(({ caller }) => caller === first.caller)) return;
    const used = new Map<string, number>();
    for (const [slot, { caller = '' }] of this.#live.entries()) {
      if (!holes.includes(slot)) used.set(caller, (used.get(caller) ?? 0) + 1);
    }
    const fewest = Math.min(...this.#queue.map(({ caller }) => used.get(caller) ?? 0));
    const next = this.#queue.findIndex(({ caller }) => (used.get(caller) ?? 0) === fewest);
    this.#queue.unshift(...this.#queue.splice(next, 1));
  }

  /** The nodes of the first waiting request's prefix, computed where they are not, together with those of requests behind it. */
  async #computed(prefix: readonly number[], signal: AbortSignal | undefined): Promise<readonly PrefixNode[]> {
    while (this.#tree.path(prefix).some(({ rows }) => !rows)) {
      throwIfAborted(signal);
      await this.#prefillPass();
      await nextEvents();
    }
    return this.#tree.path(prefix);
  }

  async #prefillPass(): Promise<void> {
    const planned = this.#planPass();
    const rows = planned.map(({ past, nodes }): PrefillRow => {
      return { past: past.map(({ rows }) => rows as KvRows), tokens: tokensOf(nodes) };
    });
    const { model, cache } = this.#generator;
    const computed = await model.prefill(cache, rows);
    for (const [row, { nodes }] of planned.entries()) this.#tree.store(nodes, computed[row] as KvRows);
    this.#promptTokens += rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
    this.#tree.evict(this.#prefixBytes, this.#tree.path((this.#queue[0] as Waiting).context.slice(0, -1)));
  }

  /** Rows of one pass: the first waiting request's, then those of others that do not depend on it and are about as long. */
  #planPass(): Row[] {
    const rows: Row[] = [];
    const taken = new Set<PrefixNode>();
    let bytes = this.#tree.bytes;
    let [longest, total] = [0, 0];
    for (const { context } of this.#queue.slice(0, LOOK_AHEAD * this.#generator.cache.slots)) {
      const row = this.#tree.missing(context.slice(0, -1), this.#tokensPerPass);
      const [first] = row.nodes;
      if (!first || taken.has(first)) continue;
      const length = tokensOf(row.nodes).length;
      const size = length * bytesPerToken(this.#generator.model.config);
      const padded = Math.max(longest, length) * (rows.length + 1);
      const hasRoom = padded <= this.#tokensPerPass && total + length >= (1 - MAX_PADDING) * padded;
      if (rows.length > 0 && (!hasRoom || bytes + size > this.#prefixBytes)) continue;
      rows.push(row);
      for (const node of row.nodes) taken.add(node);
      longest = Math.max(longest, length);
      total += length;
      bytes += size;
    }
    return rows;
  }
}

type Row = ReturnType<PrefixTree['missing']>;

function tokensOf(nodes: readonly PrefixNode[]): number[] {
  return nodes.flatMap(({ tokens }) => [...tokens]);
}

/** Removes the items that `leaves` names from a list, and returns them. */
function takeOut<T>(list: T[], leaves: (item: T) => boolean): T[] {
  const taken = list.filter(leaves);
  if (taken.length > 0) list.splice(0, list.length, ...list.filter((item) => !leaves(item)));
  return taken;
}

function checkContext(id: string, length: number, contextLength: number): void {
  if (length === 0) {
    throw new SipfError(
      'bad-input',
      `Expected a context of at least one token in request ${id}, got none. Give it a prompt.`,
    );
  }
  if (length < contextLength) return;
  throw new SipfError(
    'bad-input',
    `Expected a context of fewer than ${contextLength} tokens (the model's context length) in request ${id}, got ${length}. Shorten it, or use fewer examples.`,
  );
}
