// Weights -> token-level calls: prefill, decode step, hidden states' log-probabilities. Owns the programs; leaves text, requests and the cache's contents to others.
import type { Engine, HostArray } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import type { DecoderConfig } from '../models/architectures/architecture.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { PassInputs, type PassShape, type Placed } from '../models/pass-inputs.ts';
import { whyNotNumbers } from '../models/weights/not-numbers.ts';
import type { KvCache, KvRows } from './kv-cache.ts';
import { compileDecode, compilePrefill, compileTokenLogps, type ModelProgram } from './passes.ts';
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
}

/** One row of a prefill pass: tokens behind cached ones. */
export interface PrefillRow {
  readonly past: readonly KvRows[];
  readonly tokens: readonly number[];
}

/** Tokens of a pass without a past, and the flat places (row · seq + column) to read. */
export interface TokenPass {
  readonly shape: PassShape;
  readonly rows: readonly Placed[];
  readonly at: BigInt64Array;
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
  readonly #inputs: PassInputs;
  #prefill: ModelProgram | undefined;
  #tokenLogps: ModelProgram | undefined;
  #decode: ModelProgram | undefined;
  #features: SamplerFeatures = { truncate: false, suppress: false };
  /** Least length of a pass's past, all of it hidden where there is none: on WebGPU no product may sum over nothing. */
  readonly #leastPast: number;

  /** @param endIds tokens that rows with `ignoreEnd` never choose. */
  constructor(engine: Engine, weights: ModelWeights, endIds: readonly number[]) {
    this.config = weights.decoder.config;
    this.#engine = engine;
    this.#weights = weights;
    this.#endIds = endIds;
    this.#inputs = new PassInputs(this.config);
    this.#leastPast = engine.provider === 'cpu' ? 0 : PAST_BLOCK;
  }

  /** Computes keys and values of each row's tokens. */
  async prefill(rows: readonly PrefillRow[]): Promise<KvRows[]> {
    const { layers, kvHeads, headDim } = this.config;
    const seq = roundUp(Math.max(...rows.map(({ tokens }) => tokens.length)), SEQ_BLOCK);
    const pasts = rows.map(({ past }) => past.reduce((sum, { tokens }) => sum + tokens, 0));
    const past = roundUp(Math.max(this.#leastPast, ...pasts), PAST_BLOCK);
    this.#prefill ??= await compilePrefill(this.#engine, this.#weights);
    const result = await this.#prefill.run({
      ...this.#inputs.of(
        { batch: rows.length, seq, past },
        rows.map(({ tokens }, row) => placed(row, tokens, pasts[row] as number)),
      ),
      ...pastInputs(rows, past, this.config),
      at: { data: BigInt64Array.of(0n), shape: [1] },
    });
    const data = result.floats('rows');
    const parts = 2 * layers * kvHeads;
    return rows.map(({ tokens }, row) => {
      const kept = new Float32Array(parts * tokens.length * headDim);
      for (let part = 0; part < parts; part++) {
        const from = (row * parts + part) * seq * headDim;
        kept.set(data.subarray(from, from + tokens.length * headDim), part * tokens.length * headDim);
      }
      return { data: kept, tokens: tokens.length };
    });
  }

  /**
   * Feeds one token to each of the slots 0 ... rows.length - 1, adds it to the cache and draws the next.
   * @throws SipfError 'diverged' where a log-probability is not a number.
   */
  async step(cache: KvCache, rows: readonly StepRow[]): Promise<{ tokens: number[]; logps: number[] }> {
    const live = rows.length;
    const program = await this.#decoder(rows);
    const column = (value: (row: StepRow) => number) => ({ data: Float32Array.from(rows, value), shape: [live, 1] });
    const feeds = cache.feeds(live);
    const past = cache.past(live);
    const result = await program.run({
      ...feeds,
      ...this.#inputs.of(
        { batch: live, seq: 1, past },
        rows.map(({ token }, slot) => placed(slot, [token], cache.length(slot))),
      ),
      temperature: column(({ temperature }) => temperature),
      uniform: column(({ uniform }) => uniform),
      // Greedy rows are not cut: they need no sort.
      topK: column(({ topK, temperature }) => (topK > 0 && temperature > 0 ? topK : this.config.vocab)),
      topP: column(({ topP, temperature }) => (topP < 1 && temperature > 0 ? topP : 2)),
      suppress: column(({ ignoreEnd }) => (ignoreEnd ? 1 : 0)),
    });
    cache.append(result.floats('rows'), live);
    const logps = [...result.floats('logps')];
    if (!logps.every(Number.isFinite)) throw await this.#notANumber();
    return { tokens: Array.from(result.integers('tokens'), Number), logps };
  }

  /** log P(target) at the places `at` of a pass. */
  async tokenLogps({ shape, rows, at }: TokenPass, targets: readonly number[]): Promise<number[]> {
    this.#prefill ??= await compilePrefill(this.#engine, this.#weights);
    this.#tokenLogps ??= await compileTokenLogps(this.#engine, this.#weights);
    const past = this.#leastPast;
    const read = await this.#prefill.run({
      ...this.#inputs.of({ ...shape, past }, rows),
      ...pastInputs(Array<PrefillRow>(shape.batch).fill({ past: [], tokens: [] }), past, this.config),
      at: { data: at, shape: [at.length] },
    });
    const hidden = read.floats('hidden');
    const logps: number[] = [];
    const width = this.config.hidden;
    const chunk = Math.max(1, Math.floor(LOGITS_BYTES / 4 / this.config.vocab));
    for (let from = 0; from < targets.length; from += chunk) {
      const ids = BigInt64Array.from(targets.slice(from, from + chunk), BigInt);
      const states = {
        data: hidden.subarray(from * width, (from + ids.length) * width),
        shape: [ids.length, width],
      };
      const result = await this.#tokenLogps.run({ hidden: states, targets: { data: ids, shape: [ids.length] } });
      logps.push(...result.floats('logps'));
    }
    if (!logps.every(Number.isFinite)) throw await this.#notANumber();
    return logps;
  }

  async #notANumber(): Promise<SipfError> {
    const why = await whyNotNumbers(this.#weights.held.slices, this.config);
    return new SipfError('diverged', `Expected numbers from the model, got NaN or infinity. ${why}`);
  }

  /** The decode program; made anew where rows ask for more than it can do. */
  async #decoder(rows: readonly StepRow[]): Promise<ModelProgram> {
    const { truncate, suppress } = this.#features;
    const features = {
      truncate: truncate || rows.some(({ topK, topP, temperature }) => temperature > 0 && (topK > 0 || topP < 1)),
      suppress: suppress || rows.some(({ ignoreEnd }) => ignoreEnd),
    };
    if (this.#decode && features.truncate === truncate && features.suppress === suppress) return this.#decode;
    await this.#decode?.[Symbol.asyncDispose]();
    this.#features = features;
    this.#decode = await compileDecode(this.#engine, this.#weights, this.#endIds, features);
    return this.#decode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of [this.#prefill, this.#tokenLogps, this.#decode]) await program?.[Symbol.asyncDispose]();
    this.#prefill = this.#tokenLogps = this.#decode = undefined;
  }
}

const roundUp = (n: number, block: number): number => Math.ceil(n / block) * block;

/** One row's tokens behind `past` cached ones. */
const placed = (row: number, tokens: readonly number[], past: number): Placed => ({
  row,
  offset: 0,
  past,
  prompt: tokens,
  branches: [],
});

/** Inputs `past.N.*` `[batch, kvHeads, past, headDim]` from consecutive rows; zeros behind. */
function pastInputs(rows: readonly PrefillRow[], past: number, config: DecoderConfig): Record<string, HostArray> {
  const { layers, kvHeads, headDim } = config;
  const feeds: Record<string, HostArray> = {};
  for (let part = 0; part < 2 * layers; part++) {
    const array = new Float32Array(rows.length * kvHeads * past * headDim);
    rows.forEach((row, n) => {
      for (let head = 0; head < kvHeads; head++) {
        let to = (n * kvHeads + head) * past * headDim;
        for (const { data, tokens } of row.past) {
          const from = (part * kvHeads + head) * tokens * headDim;
          array.set(data.subarray(from, from + tokens * headDim), to);
          to += tokens * headDim;
        }
      }
    });
    const name = `past.${part >> 1}.${part % 2 === 0 ? 'keys' : 'values'}`;
    feeds[name] = { data: array, shape: [rows.length, kvHeads, past, headDim] };
  }
  return feeds;
}
