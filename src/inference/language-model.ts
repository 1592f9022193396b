// Weights -> token-level calls: prefill, decode step, log-probabilities; owns the programs.
import type { ReadToken } from '../backend.ts';
import { int64, vector, zerosOf } from '../engine/host-arrays.ts';
import type { Engine, HostArray, Precision, Program } from '../engine/runtime/session.ts';
import type { DecoderConfig } from '../models/architectures/architecture.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { passInputs, RopeTables, stepInputs } from '../models/pass-inputs.ts';
import { type KvCache, type KvRows, pastInput } from './kv-cache.ts';
import { DeviceKvCache } from './kv-caches/device.ts';
import { HostKvCache } from './kv-caches/host.ts';
import { withLikeliest } from './likeliest.ts';
import type { TokenPass } from './packed-rows.ts';
import { compileDecode, compilePrefill, compileTokenLogps, notNumbers } from './passes.ts';
import type { SamplerFeatures } from './sampling.ts';

/** One row of a decode step. */
export interface StepRow {
  /** The token to feed; its place is the cache's length. */
  readonly token: number;
  readonly temperature: number;
  readonly uniform: number;
  /** 0 is off. */
  readonly topK: number;
  /** 1 is off. */
  readonly topP: number;
  readonly ignoreEnd: boolean;
  /** How many of the likeliest tokens are told. */
  readonly likeliest: number;
}

/** A row that belongs to no sequence. */
const IDLE: StepRow = { token: 0, temperature: 0, uniform: 0, topK: 0, topP: 1, ignoreEnd: false, likeliest: 0 };

/** One row of a prefill pass: tokens behind cached ones. */
export interface PrefillRow {
  readonly past: readonly KvRows[];
  readonly tokens: readonly number[];
}

/** A pass's lengths are padded to these, so that few shapes occur. */
const SEQ_BLOCK = 16;
const PAST_BLOCK = 64;
/** Logits and their log-softmax of one call stay below twice this many bytes. */
const LOGITS_BYTES = 64 << 20;

/** Programs are made when first needed and released on dispose: one to prefill, one to decode, one for log-probabilities. */
export class LanguageModel implements AsyncDisposable {
  readonly config: DecoderConfig;
  readonly #engine: Engine;
  readonly #weights: ModelWeights;
  readonly #endIds: readonly number[];
  readonly #ropes: RopeTables;
  #prefill: Program | undefined;
  #tokenLogps: Program | undefined;
  #likeliest: Program | undefined;
  #decode: Program | undefined;
  #features: SamplerFeatures = { truncate: false, suppress: false, likeliest: false };
  /** Least length of a pass's past, all of it hidden where there is none: on WebGPU no product may sum over nothing. */
  readonly #leastPast: number;

  /** @param endIds tokens that rows with `ignoreEnd` never choose. */
  constructor(engine: Engine, weights: ModelWeights, endIds: readonly number[]) {
    this.config = weights.decoder.config;
    this.#engine = engine;
    this.#weights = weights;
    this.#endIds = endIds;
    this.#ropes = new RopeTables(engine, this.config);
    this.#leastPast = engine.provider === 'cpu' ? 0 : PAST_BLOCK;
  }

  /** An empty cache for this model, in main memory or on the device. */
  cache(slots: number): KvCache {
    const Cache = this.#engine.provider === 'cpu' ? HostKvCache : DeviceKvCache;
    return new Cache(this.#engine, this.config, slots);
  }

  /** Computes keys and values of each row's tokens. */
  async prefill(cache: KvCache, rows: readonly PrefillRow[]): Promise<KvRows[]> {
    const seq = roundUp(Math.max(...rows.map(({ tokens }) => tokens.length)), SEQ_BLOCK);
    const pasts = rows.map(({ past }) => past.reduce((sum, { tokens }) => sum + tokens, 0));
    const past = roundUp(Math.max(this.#leastPast, ...pasts), PAST_BLOCK);
    this.#prefill ??= await compilePrefill(this.#engine, this.#weights);
    using earlier = await cache.pastOf(
      rows.map((row) => row.past),
      past,
    );
    const result = await this.#prefill.run({
      ...passInputs(
        { batch: rows.length, seq, past },
        rows.map(({ tokens }, row) => ({ row, offset: 0, past: pasts[row] as number, prompt: tokens, branches: [] })),
      ),
      ...(await this.#ropes.upTo(seq, Math.max(...pasts))),
      ...earlier.feeds,
      at: vector(BigInt64Array.of(0n)),
    });
    return cache.keep(
      result.device('rows'),
      rows.map(({ tokens }) => tokens.length),
    );
  }

  /**
   * Feeds one token to each of the slots 0 ... rows.length - 1, adds it to the cache and draws the next.
   * @throws SipfError 'diverged' when a log-probability is not a number.
   */
  async step(cache: KvCache, rows: readonly StepRow[]): Promise<readonly ReadToken[]> {
    const program = await this.#decoder(rows);
    const width = cache.width(rows.length);
    const all = Array.from({ length: width }, (_, slot) => rows[slot] ?? IDLE);
    const lengths = all.map((_, slot) => (slot < rows.length ? cache.length(slot) : 0));
    const column = (value: (row: StepRow) => number) => ({ data: Float32Array.from(all, value), shape: [width, 1] });
    const tokens = all.map(({ token }) => token);
    const result = await program.run({
      ...cache.feeds(rows.length),
      ...stepInputs(tokens, lengths),
      ...(await this.#ropes.upTo(1, Math.max(...lengths))),
      temperature: column(({ temperature }) => temperature),
      uniform: column(({ uniform }) => uniform),
      // Greedy rows are not cut: they need no sort.
      topK: column(({ topK, temperature }) => (topK > 0 && temperature > 0 ? topK : this.config.vocab)),
      topP: column(({ topP, temperature }) => (topP < 1 && temperature > 0 ? topP : 2)),
      suppress: column(({ ignoreEnd }) => (ignoreEnd ? 1 : 0)),
    });
    await cache.append(result.device('rows'), rows.length);
    const logps = [...result.floats('logps').subarray(0, rows.length)];
    if (!logps.every(Number.isFinite)) throw await notNumbers('the model', this.#weights);
    const drawn = result.integers('tokens');
    const own = logps.map((logp, slot) => ({ token: Number(drawn[slot]), logp }));
    return withLikeliest(
      result,
      own,
      rows.map(({ likeliest }) => likeliest),
    );
  }

  /** The targets at the places `at` of a pass: log P, and the `likeliest` best tokens there. */
  async readTokens(pass: TokenPass, targets: readonly number[], likeliest: number): Promise<readonly ReadToken[]> {
    const { shape, rows, at } = pass;
    this.#prefill ??= await compilePrefill(this.#engine, this.#weights);
    const program = await this.#reader(likeliest > 0);
    const past = this.#leastPast;
    const states = await this.#prefill.run({
      ...passInputs({ ...shape, past }, rows),
      ...(await this.#ropes.upTo(shape.seq)),
      ...noPast(shape.batch, past, this.config, this.#engine.precision),
      at: vector(at),
    });
    states.device('rows')[Symbol.dispose]();
    const hidden = states.floats('hidden');
    const read: ReadToken[] = [];
    const width = this.config.hidden;
    const chunk = Math.max(1, Math.floor(LOGITS_BYTES / 4 / this.config.vocab));
    for (let from = 0; from < targets.length; from += chunk) {
      const ids = targets.slice(from, from + chunk);
      const data = hidden.subarray(from * width, (from + ids.length) * width);
      const rows = { data, shape: [ids.length, width] };
      const result = await program.run({ hidden: rows, targets: vector(int64(ids)) });
      const logps = result.floats('logps');
      const own = ids.map((token, n) => ({ token, logp: Number(logps[n]) }));
      read.push(...withLikeliest(result, own, Array<number>(ids.length).fill(likeliest)));
    }
    if (!read.every(({ logp }) => Number.isFinite(logp))) throw await notNumbers('the model', this.#weights);
    return read;
  }

  /** Log-probabilities of hidden states' next tokens: one program with the likeliest tokens, one without. */
  async #reader(likeliest: boolean): Promise<Program> {
    if (!likeliest) {
      this.#tokenLogps ??= await compileTokenLogps(this.#engine, this.#weights, false);
      return this.#tokenLogps;
    }
    this.#likeliest ??= await compileTokenLogps(this.#engine, this.#weights, true);
    return this.#likeliest;
  }

  /** The decode program; made anew where rows ask for more than it can do. */
  async #decoder(rows: readonly StepRow[]): Promise<Program> {
    const { truncate, suppress, likeliest } = this.#features;
    const features = {
      truncate: truncate || rows.some(({ topK, topP, temperature }) => temperature > 0 && (topK > 0 || topP < 1)),
      suppress: suppress || rows.some(({ ignoreEnd }) => ignoreEnd),
      likeliest: likeliest || rows.some((row) => row.likeliest > 0),
    };
    const isEnough =
      features.truncate === truncate && features.suppress === suppress && features.likeliest === likeliest;
    if (this.#decode && isEnough) return this.#decode;
    await this.#decode?.[Symbol.asyncDispose]();
    this.#features = features;
    this.#decode = await compileDecode(this.#engine, this.#weights, this.#endIds, features);
    return this.#decode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const programs = [this.#prefill, this.#tokenLogps, this.#likeliest, this.#decode];
    for (const program of programs) await program?.[Symbol.asyncDispose]();
    this.#prefill = this.#tokenLogps = this.#likeliest = this.#decode = undefined;
    this.#ropes[Symbol.dispose]();
  }
}

const roundUp = (n: number, block: number): number => Math.ceil(n / block) * block;

/** Inputs `past.N.*` `[batch, kvHeads, past, headDim]` of zeros, which a pass hides. */
function noPast(
  batch: number,
  past: number,
  { layers, kvHeads, headDim }: DecoderConfig,
  precision: Precision,
): Record<string, HostArray> {
  const zeros = zerosOf(precision, [batch, kvHeads, past, headDim]);
  return Object.fromEntries(Array.from({ length: 2 * layers }, (_, part) => [pastInput(part), zeros]));
}
