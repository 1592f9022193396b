// A tokenizer -> the token that ends a completion in training.
import { SipfError } from '../../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** @throws SipfError 'bad-input' where the tokenizer has no end-of-text token. */
export function endId({ eosIds }: Pick<Tokenizer, 'eosIds'>): number {
  const [id] = eosIds;
  if (id !== undefined) return id;
  throw new SipfError(
    'bad-input',
    'Expected a tokenizer with an end-of-text token, got none, so that no completion could learn to end. Set eos_token in tokenizer_config.json.',
  );
}
