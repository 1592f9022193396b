// The grammar of `mini-code` -> a tokenizer.json with one token a word, sign or parameter.
import { LETTERS, OPERATIONS, ORDINALS } from './mini-code-grammar.ts';
import { PEOPLE, THINGS } from './mini-grammar.ts';
import { wordTokenizerJson } from './word-tokenizer.ts';

/**
 * Indentation, operators with their spaces, the fixed beginnings of statements, words of two letters or more with the space before them, single
 * letters without it: a parameter is one token wherever it stands.
 */
const PATTERN = '\\n| {4,}| = | [-+*] | // | > |, | ?[A-Za-z]{2,}|[a-z]|[^A-Za-z]';

function corpus(): string[] {
  const statements = OPERATIONS.flatMap(({ lines }) => lines.map((line) => `    ${line}\n`));
  const sentences = OPERATIONS.flatMap(({ texts }) => texts.map((text) => ` ${text}.`));
  const texts = [
    'Question: Write f(a, b). Tom has a apples. How many apples does Tom have now?\nAnswer:\n',
    'def f(a, b):\n    x = a\n        x\n    return x\n',
    ...statements,
    ...sentences,
    ...ORDINALS.map((word) => ` ${word}`),
    ...PEOPLE.flatMap((name) => [` ${name} has`, ` to ${name}`]),
    ...THINGS.map((thing) => ` many ${thing} does`),
    ...LETTERS,
    'f i x',
  ];
  return texts.map((text) => text.replaceAll('{p}', 'a').replaceAll('{q}', 'b').replaceAll('{M}', 'Ann'));
}

/** Every text of the grammar comes back exactly. */
export function miniCodeTokenizerJson(): object {
  return wordTokenizerJson(PATTERN, corpus());
}
