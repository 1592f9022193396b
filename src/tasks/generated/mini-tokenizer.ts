// The grammar of `mini` -> a tokenizer.json with one token a word, sign or number.
import { answerLine, questionPrompt } from '../text/steps.ts';
import { filled, LARGEST, PEOPLE, SKELETONS, THINGS } from './mini-grammar.ts';
import { wordTokenizerJson } from './word-tokenizer.ts';

/** Words carry the space before them, and the one before a number too, so that a number is the same token everywhere. */
const PATTERN = '=<<|>>| ?\\$| ?[A-Za-z]+(?: (?=[0-9]))?|[0-9]+|[^A-Za-z0-9]';

/** Words that no problem has any more: without them, the ids of others would change. */
const FORMER = ['Now 7', 'Two 7', ' from', ' gets', ' gives', ' into 7', ' rest', ' shares', ' then 7', ' three'];

/** Every text piece the grammar can make, with the number 7 in every blank for one. */
function corpus(): string[] {
  const shot = { question: 'Tom', steps: [answerLine('7')] };
  const texts = [questionPrompt('Tom', [shot]), '7+7-7*7/7=<<7=7>>7\n', ...FORMER];
  for (const [i, person] of PEOPLE.entries()) {
    const value = (blank: string): string => (/[NMK]/.test(blank) ? person : /[xy]/.test(blank) ? THINGS[i]! : '7');
    for (const { texts: questions, plan } of SKELETONS) {
      for (const text of questions) texts.push(` ${filled(text, value)}`);
      for (const line of plan) texts.push(`${filled(line.slice(0, line.lastIndexOf(' ')), value)} 7\n`);
    }
  }
  return texts;
}

/** A number up to the grammar's largest is one token. Every text of the grammar comes back exactly; other text falls to single signs or `<unk>`. */
export function miniTokenizerJson(): object {
  const numbers = Array.from({ length: LARGEST + 1 }, (_, i) => String(i));
  return wordTokenizerJson(PATTERN, corpus(), numbers);
}
