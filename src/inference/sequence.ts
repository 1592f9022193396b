// The tokens drawn for one request, one at a time -> its completion: where it stops, its text.
import { writtenBehind } from '../arithmetic/calculator.ts';
import type { Completion, DrawnText, DrawnToken, GenerateRequest, LikelyToken, SamplingOptions } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import type { TextStream, Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { keyedUniform } from '../random.ts';
import type { StepRow } from './language-model.ts';

/** What a sequence needs of the tokenizer. */
export type CompletionTokenizer = Pick<Tokenizer, 'stream' | 'eosIds' | 'encodeContinuation' | 'decodeContinuation'>;

type AddedToken = Omit<DrawnToken, keyof DrawnText>;

/** A request in a slot. */
export class Sequence {
  readonly request: GenerateRequest;
  /** The context's tokens and those of the completion; all but the last are in the cache. */
  readonly tokens: number[];
  readonly #contextLength: number;
  readonly #limit: number;
  readonly #endIds: readonly number[];
  readonly #stops: readonly string[];
  readonly #longestStop: number;
  readonly #uniform: (position: number) => number;
  readonly #tokenizer: CompletionTokenizer;
  readonly #stream: TextStream;
  readonly #logps: (number | null)[] = [];
  readonly #likeliest: (readonly LikelyToken[])[] = [];
  /** Length of the text behind each token, before a stop string cut it. */
  readonly #ends: number[] = [];
  /** Tokens of a result that come next, whatever is drawn. */
  #due: number[] = [];
  #text = '';
  /** Characters that `drawn` has given. */
  #given = 0;
  #finished: 'stop' | 'length' | null = null;

  /** @param limit tokens that context and completion may have together. */
  constructor(request: GenerateRequest, context: readonly number[], tokenizer: CompletionTokenizer, limit: number) {
    const { sampling } = request;
    this.request = request;
    this.tokens = [...context];
    this.#contextLength = context.length;
    this.#limit = Math.min(limit, context.length + sampling.maxTokens);
    this.#endIds = sampling.ignoreEos ? [] : tokenizer.eosIds;
    this.#stops = (sampling.stopStrings ?? []).filter((text) => text !== '');
    this.#longestStop = Math.max(0, ...this.#stops.map((text) => text.length));
    this.#uniform = keyedUniform(request.key);
    this.#tokenizer = tokenizer;
    this.#stream = tokenizer.stream();
  }

  get finished(): boolean {
    return this.#finished !== null;
  }

  /** What the next decode step needs. */
  row(): StepRow {
    const { temperature, topK = 0, topP = 1, ignoreEos = false, likeliest = 0 } = this.request.sampling;
    const uniform = this.#uniform(this.tokens.length - this.#contextLength);
    const token = this.tokens.at(-1) as number;
    return { token, temperature, uniform, topK, topP, ignoreEnd: ignoreEos, likeliest };
  }

  /** Adds the drawn token, or in its place the next token of a result that a calculator writes. */
  push(token: number, logp: number, likeliest: readonly LikelyToken[] = []): AddedToken {
    const due = this.#due.shift();
    const chosen = due === undefined ? { token, logp } : { token: due, logp: null };
    const added = likeliest.length === 0 ? chosen : { ...chosen, likeliest };
    this.tokens.push(added.token);
    this.#logps.push(added.logp);
    if (likeliest.length > 0) this.#likeliest.push(likeliest);
    if (this.#endIds.includes(added.token)) this.#finish('stop');
    else this.#read(added);
    this.#ends.push(this.#text.length);
    return added;
  }

  /** Ends it where it is. */
  stop(): void {
    this.#finished ??= 'stop';
  }

  /** The text that came since the last call and that no stop string will take back. */
  drawn(): string {
    const end = this.#text.length - (this.finished ? 0 : startedStop(this.#text, this.#stops));
    const text = this.#text.slice(this.#given, end);
    this.#given = Math.max(this.#given, end);
    return text;
  }

  completion(): Completion {
    const forced = this.#logps.flatMap((logp, place) => (logp === null ? [place] : []));
    return {
      id: this.request.id,
      text: this.#text,
      tokens: this.tokens.length - this.#contextLength,
      tokenIds: this.tokens.slice(this.#contextLength),
      logps: this.#logps,
      ...(forced.length === 0 ? {} : { forced }),
      ...(this.#likeliest.length === 0 ? {} : { likeliest: this.#likeliest }),
      ...(this.request.sampling.ends ? { ends: this.#ends.map((end) => Math.min(end, this.#text.length)) } : {}),
      finishReason: this.#finished ?? 'length',
    };
  }

  #read({ token, logp }: AddedToken): void {
    this.#add(this.#stream.push(token));
    if (logp !== null && this.request.sampling.calculator) this.#due = this.#result();
    if (!this.#finished && this.tokens.length >= this.#limit) this.#finish('length');
  }

  /** Tokens that a calculator writes behind the text. A result that the vocabulary lacks is left to the model. */
  #result(): number[] {
    const written = writtenBehind(this.#text);
    if (written === null) return [];
    const ids = this.#tokenizer.encodeContinuation(written);
    return this.#tokenizer.decodeContinuation(ids) === written ? ids : [];
  }

  /** Adds text and ends the sequence before the first stop string in it. */
  #add(text: string): void {
    const from = Math.max(0, this.#text.length - this.#longestStop + 1);
    this.#text += text;
    const places = this.#stops.map((stop) => this.#text.indexOf(stop, from)).filter((place) => place >= 0);
    if (places.length === 0) return;
    this.#text = this.#text.slice(0, Math.min(...places));
    this.#finished = 'stop';
  }

  #finish(reason: 'stop' | 'length'): void {
    this.#add(this.#stream.end());
    this.#finished ??= reason;
  }
}

/** How many characters at the end of `text` are the start of a stop string. */
function startedStop(text: string, stops: readonly string[]): number {
  const longest = (stop: string): number => {
    for (let length = Math.min(stop.length - 1, text.length); length > 0; length--) {
      if (text.endsWith(stop.slice(0, length))) return length;
    }
    return 0;
  };
  return Math.max(0, ...stops.map(longest));
}

/** @throws SipfError 'bad-input' naming the request where its sampling options are out of range. */
export function checkSampling(id: string, sampling: SamplingOptions): void {
  const { temperature, topP = 1, topK = 0, maxTokens, likeliest = 0 } = sampling;
  const bad = (what: string, value: number): never => {
    throw new SipfError('bad-input', `Expected ${what} of request ${id}, got ${value}. Change the sampling options.`);
  };
  if (!(temperature >= 0 && Number.isFinite(temperature))) bad('a temperature of 0 or more', temperature);
  if (!(topP > 0 && topP <= 1)) bad('top-p above 0 and at most 1', topP);
  if (!Number.isInteger(topK) || topK < 0) bad('a whole top-k of 0 or more', topK);
  if (!Number.isInteger(likeliest) || likeliest < 0 || likeliest > MOST.likeliest)
    bad(`0 to ${MOST.likeliest} likeliest tokens`, likeliest);
  if (!Number.isInteger(maxTokens) || maxTokens < 1) bad('a whole number of tokens of at least 1', maxTokens);
}
