// Contexts and completions -> log-probabilities of the completions' tokens (teacher forcing).
import type { LogpsItem, ReadToken, TokenLogps } from '../backend.ts';
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

interface LogpsOptions extends PackOptions {
  readonly signal?: AbortSignal | undefined;
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
  const found = await completionTokens(reader, items, { ...options, likeliest: 0 });
  return found.map((tokens, n) => {
    const ids = tokens.map(({ token }) => token);
    const isResult = items[n]?.calculator ? resultTokens(ids, reader.tokenizer) : [];
    return tokens.map(({ logp }, place) => (isResult[place] ? null : logp));
  });
}

/**
 * `[completion tokens]` of each item, in order, with the `likeliest` best tokens at each place.
 * @throws SipfError as `completionLogps` does.
 */
export async function completionTokens(
  { model, tokenizer }: Reader,
  items: readonly Pick<LogpsItem, 'context' | 'completion' | 'ended'>[],
  { likeliest, ...options }: LogpsOptions & { readonly likeliest: number },
): Promise<ReadToken[][]> {
  const encoder = new ContextEncoder(tokenizer, model.config.vocab);
  const encoded = items.map(({ context, completion: given, ended = false }, n) => {
    const completion = [...encoder.continuation(given), ...(ended ? [endId(tokenizer)] : [])];
    const prefix = encoder.encode(context);
    checkLength(n, prefix.length, completion.length, model.config.contextLength);
    // The last token of a completion is never fed: nothing is read behind it.
    return { prefix, completion, continuation: completion.slice(0, -1) };
  });
  return readPacked(
    encoded,
    (item) => encoded[item]?.completion.map((_, n) => (encoded[item]?.prefix.length ?? 0) - 1 + n) ?? [],
    (pass, reads) => {
      const targets = reads.map(({ item, n }) => encoded[item]?.completion[n] as number);
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
