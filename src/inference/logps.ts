// Contexts and completions -> log-probabilities of the completions' tokens (teacher forcing).

import { setImmediate as nextEvents } from 'node:timers/promises';
import type { LogpsItem } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { endId, type Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { ContextEncoder, type ContextTokenizer } from './context.ts';
import type { LanguageModel } from './language-model.ts';
import { type PackOptions, packRows } from './packed-rows.ts';

type EndTokenizer = Pick<Tokenizer, 'eosIds'>;

/**
 * `[completion tokens]` of each item, in order; contexts that are equal are computed once a row of several completions.
 * @throws SipfError 'bad-input' naming the item whose context is empty or which is longer than the model's context, or without an end-of-text token.
 */
export async function completionLogps(
  { model, tokenizer }: { readonly model: LanguageModel; readonly tokenizer: ContextTokenizer & EndTokenizer },
  items: readonly LogpsItem[],
  { signal, ...options }: PackOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<number[][]> {
  const encoder = new ContextEncoder(tokenizer, model.config.vocab);
  const encoded = items.map(({ context, completion: given, ended = false }, n) => {
    const completion = [...encoder.continuation(given), ...(ended ? [endId(tokenizer)] : [])];
    const item = { context: encoder.encode(context), completion };
    checkLength(n, item.context.length, item.completion.length, model.config.contextLength);
    return item;
  });
  // The last token of a completion is never fed: nothing is read behind it.
  const packed = packRows(
    encoded.map(({ context, completion }) => ({ prefix: context, continuation: completion.slice(0, -1) })),
    options,
  );
  const logps: number[][] = items.map(() => []);
  for (const { shape, rows, items: placed } of packed) {
    throwIfAborted(signal);
    const reads = placed.flatMap(({ item, place }) => {
      const { context, completion } = encoded[item] as (typeof encoded)[number];
      return completion.map((target, n) => ({ item, target, place: place(context.length - 1 + n) }));
    });
    if (reads.length === 0) continue;
    const at = BigInt64Array.from(reads, ({ place }) => BigInt(place));
    const values = await model.tokenLogps(
      { shape, rows, at },
      reads.map(({ target }) => target),
    );
    for (const [n, { item }] of reads.entries()) logps[item]?.push(values[n] as number);
    await nextEvents();
  }
  return logps;
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
