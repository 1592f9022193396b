// Names and signs that mean the same -> what each one means.

/** What each name means, from the names of each meaning in one text. */
export function byName<T>(meanings: readonly (readonly [meaning: T, names: string])[]): ReadonlyMap<string, T> {
  return new Map(meanings.flatMap(([meaning, names]) => names.split(' ').map((name) => [name, meaning] as const)));
}

/** Signs with the LaTeX commands that mean them, the usual one first. */
export const SIGNS: readonly (readonly [sign: string, commands: string])[] = [
  ['×', 'times'],
  ['·', 'cdot'],
  ['÷', 'div'],
  ['±', 'pm'],
  ['∓', 'mp'],
  ['°', 'circ degree textdegree'],
  ['≈', 'approx'],
  ['≤', 'le leq leqslant'],
  ['≥', 'ge geq geqslant'],
  ['≠', 'ne neq'],
  ['∞', 'infty'],
  ['∪', 'cup'],
  ['∩', 'cap'],
  ['∈', 'in'],
  ['∅', 'emptyset varnothing'],
  ['∠', 'angle'],
  ['π', 'pi'],
  ['θ', 'theta'],
];

/** Powers of ten by the words and letters behind a number. */
export const POWERS_OF_TEN = byName([
  [2, 'hundred'],
  [3, 'thousand k'],
  [5, 'lakh'],
  [6, 'million m mn mio mil mln'],
  [7, 'crore'],
  [9, 'billion b bn'],
  [12, 'trillion t tn'],
]);

/** Full-width letters, digits and signs as those of a keyboard. */
export function halfWidth(text: string): string {
  return text.replace(/[\uFF01-\uFF5E]+/g, (wide) => wide.normalize('NFKC'));
}
