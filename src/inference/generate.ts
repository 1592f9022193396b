// Requests -> completions: one unit of work with continuous batching over slots, every prefix computed once. Leaves out what the texts mean.
import type { DrawOptions, GenerateRequest, GenerateStats, OnFinished } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { ContextEncoder, type ContextTokenizer } from './context.ts';
import { bytesPerToken, type KvCache, type KvRows } from './kv-cache.ts';
import type { LanguageModel, PrefillRow } from './language-model.ts';
import { type PrefixNode, PrefixTree } from './prefix-tree.ts';
import { type CompletionTokenizer, checkSampling, Sequence } from './sequence.ts';
import { turn } from './turn.ts';

export interface GenerateOptions extends DrawOptions {
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

/** A request and its context's tokens. */
interface Waiting {
  readonly request: GenerateRequest;
  readonly context: readonly number[];
}

/** Requests looked at, in slots' worth, when a prefill pass has room left. */
const LOOK_AHEAD = 4;
/** A prefill pass has at most this share of padding. */
const MAX_PADDING = 0.25;

/**
 * Runs one unit of work: slots are empty before and after. Requests enter free slots in order; `onFinished` is called once a decode step with what
 * ended in it, in slot order, and its answer joins the end of the queue.
 * `promptTokens` counts the tokens run through the model besides those of decode steps: a context's last token is fed by the first decode step.
 * @throws SipfError 'bad-input' where a context is empty or too long, or options are out of range; 'aborted' between two steps.
 */
export async function generate(
  generator: Generator,
  requests: readonly GenerateRequest[],
  onFinished: OnFinished,
  options: GenerateOptions = {},
): Promise<GenerateStats> {
  return new Unit(generator, options).run(requests, onFinished);
}

class Unit {
  readonly #generator: Generator;
  readonly #signal: AbortSignal | undefined;
  readonly #onText: DrawOptions['onText'];
  readonly #tokensPerPass: number;
  readonly #prefixBytes: number;
  readonly #encoder: ContextEncoder;
  readonly #tree: PrefixTree;
  readonly #queue: Waiting[] = [];
  /** By slot: no holes between steps. */
  readonly #live: Sequence[] = [];
  #promptTokens = 0;
  #generatedTokens = 0;

  constructor(generator: Generator, { signal, onText, tokensPerPass = 512, prefixBytes = 512 << 20 }: GenerateOptions) {
    this.#generator = generator;
    this.#signal = signal;
    this.#onText = onText;
    this.#tokensPerPass = tokensPerPass;
    this.#prefixBytes = prefixBytes;
    this.#encoder = new ContextEncoder(generator.tokenizer, generator.model.config.vocab);
    this.#tree = new PrefixTree(generator.model.config);
  }

  async run(requests: readonly GenerateRequest[], onFinished: OnFinished): Promise<GenerateStats> {
    const { model, cache } = this.#generator;
    try {
      this.#enqueue(requests);
      await this.#admit();
      while (this.#live.length > 0) {
        throwIfAborted(this.#signal);
        const { tokens, logps } = await model.step(
          cache,
          this.#live.map((sequence) => sequence.row()),
        );
        this.#generatedTokens += tokens.length;
        for (const [slot, sequence] of this.#live.entries()) {
          sequence.push(tokens[slot] as number, logps[slot] as number);
        }
        this.#tell();
        await this.#retire(onFinished);
        await turn();
      }
      return { promptTokens: this.#promptTokens, generatedTokens: this.#generatedTokens };
    } finally {
      for (let slot = 0; slot < cache.slots; slot++) cache.release(slot);
    }
  }

  #tell(): void {
    if (this.#onText === undefined) return;
    const drawn = this.#live.map((sequence) => ({ id: sequence.request.id, text: sequence.drawn() }));
    const added = drawn.filter(({ text }) => text !== '');
    if (added.length > 0) this.#onText(added);
  }

  #enqueue(requests: readonly GenerateRequest[]): void {
    for (const request of requests) {
      checkSampling(request.id, request.sampling);
      const context = this.#encoder.encode(request.context);
      checkContext(request.id, context.length, this.#generator.model.config.contextLength);
      this.#queue.push({ request, context });
      this.#tree.want(context.slice(0, -1));
    }
  }

  /** Hands over what ended, takes what comes for it, and fills the slots again. */
  async #retire(onFinished: OnFinished): Promise<void> {
    const { cache } = this.#generator;
    const ended = [...this.#live.keys()].filter((slot) => this.#live[slot]?.finished);
    if (ended.length === 0) return;
    const finished = ended.map((slot) => (this.#live[slot] as Sequence).completion());
    const more = await onFinished(finished);
    this.#enqueue(more);
    for (const slot of more.length > 0 ? ended : []) {
      const cached = (this.#live[slot] as Sequence).tokens.slice(0, cache.length(slot));
      this.#tree.adopt(cached, (from, to) => cache.copyOut(slot, from, to));
    }
    for (const slot of ended) cache.release(slot);
    await this.#admit(ended);
  }

  /** Puts requests into the free slots in order, then closes holes with the last slots. */
  async #admit(free: readonly number[] = []): Promise<void> {
    const { cache, model, tokenizer } = this.#generator;
    const holes = [...free];
    while (this.#queue.length > 0 && (holes.length > 0 || this.#live.length < cache.slots)) {
      const { request, context } = this.#queue[0] as Waiting;
      const prefix = context.slice(0, -1);
      const nodes = await this.#computed(prefix);
      const slot = holes.shift() ?? this.#live.length;
      cache.fork(
        slot,
        nodes.map(({ rows }) => rows as KvRows),
      );
      this.#live[slot] = new Sequence(request, context, tokenizer, model.config.contextLength);
      this.#queue.shift();
      this.#tree.release(prefix);
    }
    for (const hole of holes.reverse()) {
      const last = this.#live.length - 1;
      if (hole !== last) {
        cache.move(last, hole);
        this.#live[hole] = this.#live[last] as Sequence;
      }
      this.#live.pop();
    }
  }

  /** The nodes of the first waiting request's prefix, computed where they are not, together with those of requests behind it. */
  async #computed(prefix: readonly number[]): Promise<readonly PrefixNode[]> {
    while (this.#tree.path(prefix).some(({ rows }) => !rows)) {
      throwIfAborted(this.#signal);
      await this.#prefillPass();
      await turn();
    }
    return this.#tree.path(prefix);
  }

  async #prefillPass(): Promise<void> {
    const planned = this.#planPass();
    const rows = planned.map(({ past, nodes }): PrefillRow => {
      return { past: past.map(({ rows }) => rows as KvRows), tokens: tokensOf(nodes) };
    });
    const computed = await this.#generator.model.prefill(rows);
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
      const fits = padded <= this.#tokensPerPass && total + length >= (1 - MAX_PADDING) * padded;
      if (rows.length > 0 && (!fits || bytes + size > this.#prefixBytes)) continue;
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
