// Context pieces -> token ids, each text encoded once.
import type { ContextPiece, GivenCompletion } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts';

/** Texts whose ids are kept. */
const MOST_KNOWN = 2 ** 14;

export type ContextTokenizer = Pick<Tokenizer, 'encode' | 'encodeContinuation'>;

/** Tokenises pieces on their own, each text once: the first with the tokenizer's BOS rule, the others as continuations; ids as given. */
export class ContextEncoder {
  readonly #tokenizer: ContextTokenizer;
  readonly #vocab: number;
  /** The texts that came last: a server's never end. */
  readonly #known = new Map<string, readonly number[]>();

  /** @param vocab rows of the embedding. */
  constructor(tokenizer: ContextTokenizer, vocab: number) {
    this.#tokenizer = tokenizer;
    this.#vocab = vocab;
  }

  encode(pieces: readonly ContextPiece[]): number[] {
    return pieces.flatMap((piece, n) => this.piece(piece, n === 0));
  }

  /** Ids of what follows a context. */
  continuation(given: GivenCompletion): readonly number[] {
    if (typeof given === 'string' || !isTexts(given)) return this.piece(given, false);
    return given.flatMap((text) => this.piece(text, false));
  }

  piece(piece: ContextPiece, first: boolean): readonly number[] {
    if (typeof piece !== 'string') return this.#checked(piece);
    const key = `${first}\n${piece}`;
    const known = this.#known.get(key);
    if (known) return known;
    const ids = first ? this.#tokenizer.encode(piece) : this.#tokenizer.encodeContinuation(piece);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(key, ids);
    return ids;
  }

  #checked(ids: readonly number[]): readonly number[] {
    const bad = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= this.#vocab);
    if (bad === undefined) return ids;
    throw new SipfError(
      'bad-input',
      `Expected token ids from 0 to ${this.#vocab - 1}, got ${bad}. Use ids of this model's tokenizer.`,
    );
  }
}

function isTexts(list: readonly number[] | readonly string[]): list is readonly string[] {
  return typeof list[0] === 'string';
}
