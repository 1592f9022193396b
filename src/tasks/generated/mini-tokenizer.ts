// The grammar of `mini` -> a tokenizer.json with one token a word, sign or number.

import { answerLine, questionPrompt } from '../text/steps.ts';
import { MINI_DEFAULTS } from './mini.ts';
import { DISTRACTOR, PEOPLE, SKELETONS, THINGS } from './mini-grammar.ts';
import { wordTokenizerJson } from './word-tokenizer.ts';

interface MiniTokenizerOptions {
  /** whole: one token a number up to `max` (easier to learn). digits: one token a digit. */
  readonly numbers?: 'whole' | 'digits';
  /** Largest number that has a token of its own. */
  readonly max?: number;
}

/** Words carry the space before them, and the one before a number too, so that a number is the same token everywhere. */
const WORD = ' ?[A-Za-z]+(?: (?=[0-9]))?';

function pattern(numbers: 'whole' | 'digits'): string {
  return `=<<|>>| ?\\$|${WORD}|${numbers === 'whole' ? '[0-9]+' : '[0-9]'}|[^A-Za-z0-9]`;
}

/** Every text piece the grammar can make, with the number 7 in every blank for one. */
function corpus(): string[] {
  const texts: string[] = [questionPrompt('Q', [{ question: 'Q', steps: [answerLine('7')] }]), '7+7-7*7/7=<<7=7>>7\n'];
  for (let i = 0; i < Math.max(PEOPLE.length, THINGS.length); i++) {
    const person = PEOPLE[i % PEOPLE.length] ?? '';
    const thing = THINGS[i % THINGS.length] ?? '';
    const fill = (text: string): string =>
      text
        .replace(/\{([NMK])\}/g, person)
        .replace(/\{([xy])\}/g, thing)
        .replace(/\{(\$?)\w\}/g, (_all, currency: string) => `${currency}7`);
    const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
    for (const { texts: questions, plan } of SKELETONS) {
      for (const text of questions) texts.push(`Question: ${capital(fill(text))}\n`);
      for (const line of plan) texts.push(`${capital(fill(line.slice(0, line.lastIndexOf(' '))))} 7\n`);
    }
    texts.push(` ${fill(DISTRACTOR)}`);
  }
  return texts;
}

/** Words and signs of the grammar, numbers apart, in a fixed order. */
function words(): string[] {
  const found = new Set(corpus().flatMap((text) => text.match(new RegExp(pattern('whole'), 'g')) ?? []));
  return [...found]
    .filter((piece) => !/^[0-9]/.test(piece) && piece !== 'Q' && piece !== ' Q')
    .sort((a, b) => (a < b ? -1 : 1));
}

/**
 * tokenizer.json: a BPE model without merges that takes whole pieces from its vocabulary (`ignore_merges`), isolated by one pattern, and
 * joins them again without spaces. Every text of the grammar comes back exactly; other text falls to single signs or `<unk>`.
 * No token is added to a text; `</s>` (id 2) ends a completion, `<pad>` is 0.
 */
export function miniTokenizerJson({
  numbers = 'whole',
  max = MINI_DEFAULTS.max,
}: MiniTokenizerOptions = {}): Record<string, unknown> {
  const values = Array.from({ length: numbers === 'whole' ? max + 1 : 10 }, (_, i) => String(i));
  return wordTokenizerJson(pattern(numbers), [...words(), ...values]);
}
