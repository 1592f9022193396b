// Contexts and completions -> log-probabilities of the completions' tokens (teacher forcing).
import type { GivenTokens, LogpsItem, ReadToken, TokenLogps } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { resultTokens } from '../models/tokenizer/result-tokens.ts';
import { endId, type Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { ContextEncoder, type ContextTokenizer } from './context.ts';
import type { LanguageModel } from './language-model.ts';
import { type PackOptions, readPacked } from './packed-rows.ts';

/** What log-probabilities need of the tokenizer. */
type LogpsTokenizer = ContextTokenizer & Pick<Tokenizer, 'eosIds' | 'stream'>;

interface Reader {
  readonly model: LanguageModel;
  readonly tokenizer: LogpsTokenizer;
}

/** What token ids of items need. */
interface GivenReader {
  readonly tokenizer: LogpsTokenizer;
  /** Rows of the embedding. */
  readonly vocab: number;
}

const encoderOf = ({ model, tokenizer }: Reader): GivenReader => ({ tokenizer, vocab: model.config.vocab });

interface LogpsOptions extends PackOptions {
  readonly signal?: AbortSignal | undefined;
}

interface ReadingOptions extends LogpsOptions {
  /** How many of the best tokens are told at each place. */
  readonly likeliest: number;
}

/**
 * `[completion tokens]` of each item, in order, null for tokens that a calculator wrote; contexts that are equal are computed once a row of several completions.
 * @throws SipfError 'bad-input' naming the item whose context is empty or which is longer than the model's context, or without an end-of-text token.
 */
export async function completionLogps(
  reader: Reader,
  items: readonly LogpsItem[],
  options: LogpsOptions = {},
): Promise<TokenLogps[]> {
  const given = encodeGiven(encoderOf(reader), items);
  const found = await readGiven(reader.model, given, { ...options, likeliest: 0 });
  return found.map((tokens, n) => {
    const isForced = new Set(given[n]?.forced);
    return tokens.map(({ logp }, place) => (isForced.has(place) ? null : logp));
  });
}

/**
 * `[completion tokens]` of each item, in order, with the `likeliest` best tokens at each place.
 * @throws SipfError as `completionLogps` does.
 */
export function completionTokens(
  reader: Reader,
  items: readonly LogpsItem[],
  options: ReadingOptions,
): Promise<ReadToken[][]> {
  return readGiven(reader.model, encodeGiven(encoderOf(reader), items), options);
}

/**
 * Token ids of items: each piece is tokenised on its own.
 * @throws SipfError 'bad-input' for ids that are none of the model's, or without an end-of-text token where one is to follow.
 */
export function encodeGiven({ tokenizer, vocab }: GivenReader, items: readonly LogpsItem[]): GivenTokens[] {
  const encoder = new ContextEncoder(tokenizer, vocab);
  return items.map(({ context, completion: given, ended = false, calculator = false }) => {
    const completion = [...encoder.continuation(given), ...(ended ? [endId(tokenizer)] : [])];
    const forced = calculator ? resultTokens(completion, tokenizer).flatMap((is, n) => (is ? [n] : [])) : [];
    return { context: encoder.encode(context), completion, forced };
  });
}

function readGiven(
  model: LanguageModel,
  given: readonly GivenTokens[],
  { likeliest, ...options }: ReadingOptions,
): Promise<ReadToken[][]> {
  const rows = given.map(({ context: prefix, completion }, n) => {
    checkLength(n, prefix.length, completion.length, model.config.contextLength);
    // The last token of a completion is never fed: nothing is read behind it.
    return { prefix, completion, continuation: completion.slice(0, -1) };
  });
  return readPacked(
    rows,
    (item) => rows[item]?.completion.map((_, n) => (rows[item]?.prefix.length ?? 0) - 1 + n) ?? [],
    (pass, reads) => {
      const targets = reads.map(({ item, n }) => rows[item]?.completion[n] as number);
      return model.readTokens(pass, targets, likeliest);
    },
    options,
  );
}

function checkLength(n: number, context: number, completion: number, limit: number): void {
  if (context === 0) {
    throw new SipfError(
      'bad-input',
      `Expected a context of at least one token in item ${n}, got none. Give it a prompt.`,
    );
  }
  if (context + completion <= limit) return;
  throw new SipfError(
    'bad-input',
    `Expected at most ${limit} tokens (the model's context length) in item ${n}, got ${context} + ${completion}. Shorten it.`,
  );
}
