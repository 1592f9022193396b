// The problem types of `mini`: texts with blanks, and the plan that solves each.

/**
 * One problem type. In texts {N} {M} {K} are people, {x} {y} things, other letters numbers ({$p}: an amount of money): f g p q are factors (2 to 12), the rest any number.
 * The last sentence is the question. A plan line is a label, then `left op right`; `s1` is the result of line 1.
 */
export interface Skeleton {
  readonly id: string;
  readonly texts: readonly string[];
  readonly plan: readonly string[];
}

export const PEOPLE = ['Tom', 'Ann', 'Sam', 'Eva', 'Max', 'Lily', 'Ben', 'Mia'] as const;
export const THINGS = ['apples', 'pens', 'books', 'cards', 'stamps', 'shells', 'coins', 'cakes'] as const;

/** Largest number in questions and results: more would be more sums to know by heart. */
export const LARGEST = 50;

/** A text with `value` in each blank; a thing that begins a sentence is written with a capital. */
export function filled(text: string, value: (blank: string) => string | number): string {
  const whole = text.replace(/\{(\$?)(\w)\}/g, (_all, currency: string, blank: string) => `${currency}${value(blank)}`);
  return whole.replace(/(^|[.?] )([a-z])/g, (_all, before: string, letter: string) => before + letter.toUpperCase());
}

export const SKELETONS: readonly Skeleton[] = [
  {
    id: 'holdings-2',
    texts: [
      '{N} has {a} {x}. {N} finds {b} more and gives {c} to {M}. How many {x} does {N} have now?',
      'There are {a} {x} in a box. {N} puts in {b} more and {M} takes out {c}. How many {x} are in the box now?',
    ],
    plan: ['with more a+b', 'left s1-c'],
  },
  {
    id: 'shop-2',
    texts: [
      '{N} buys {f} {x} for {$p} each and pays with {$c}. How much change does {N} get?',
      '{N} has {$c}. {N} buys {f} {x} that cost {$p} each. How much money does {N} have left?',
    ],
    plan: ['cost f*p', 'left c-s1'],
  },
  {
    id: 'share-2',
    texts: [
      '{N} has {a} {x} and {M} has {b} {x}. They share all {x} equally among {f} friends. How many {x} does each friend get?',
      '{N} finds {a} {x} and {M} finds {b} {x}. They put the same number of {x} into each of {f} boxes. How many {x} are in a box?',
    ],
    plan: ['together a+b', 'each s1/f'],
  },
  {
    id: 'ages-2',
    texts: [
      '{N} is {a} years old. {M} is {b} years older than {N}. How old will {M} be in {c} years?',
      '{M} is {b} years older than {N}. {N} is {a} years old now. In {c} years, how old will {M} be?',
    ],
    plan: ['{M} is a+b', 'later s1+c'],
  },
  {
    id: 'read-2',
    texts: [
      '{N} reads {f} pages an hour for {g} hours. The book has {a} pages. How many pages are left?',
      'A book has {a} pages. {N} reads for {g} hours, {f} pages an hour. How many pages does {N} still have to read?',
    ],
    plan: ['read f*g', 'left a-s1'],
  },
  {
    id: 'compare-2',
    texts: [
      '{N} has {a} {x}. {M} has {b} more {x} than {N}. How many {x} do they have together?',
      '{M} has {b} more {x} than {N}, who has {a} {x}. How many {x} do both have in all?',
    ],
    plan: ['{M} has a+b', 'together a+s1'],
  },
  {
    id: 'times-2',
    texts: [
      '{N} has {a} {x}. {M} has {f} times as many {x} as {N}. How many {x} do they have together?',
      '{M} has {f} times as many {x} as {N}, who has {a} {x}. How many {x} do both have in all?',
    ],
    plan: ['{M} has f*a', 'together a+s1'],
  },
  {
    id: 'shop-3',
    texts: [
      '{N} buys {f} {x} for {$p} each and {g} {y} for {$q} each. How much does {N} pay?',
      '{x} cost {$p} each and {y} cost {$q} each. {N} buys {f} {x} and {g} {y}. How much is that in all?',
    ],
    plan: ['{x} cost f*p', '{y} cost g*q', 'together s1+s2'],
  },
  {
    id: 'holdings-3',
    texts: [
      '{N} has {a} {x}. {N} finds {b} more, gives {c} to {M} and loses {d}. How many {x} does {N} have now?',
      'There are {a} {x} in a box. {N} puts in {b} more. Then {M} takes out {c} and {K} takes out {d}. How many {x} are in the box now?',
    ],
    plan: ['with more a+b', 'then s1-c', 'left s2-d'],
  },
  {
    id: 'share-3',
    texts: [
      '{N} has {a} {x} and {M} has {b} {x}. They share all {x} equally among {f} friends. Each friend gives {c} away. How many {x} does each friend have left?',
      '{N} finds {a} {x} and {M} finds {b} {x}. They put the same number of {x} into each of {f} boxes. {K} takes {c} out of a box. How many {x} are left in that box?',
    ],
    plan: ['together a+b', 'each s1/f', 'left s2-c'],
  },
  {
    id: 'ages-3',
    texts: [
      '{N} is {a} years old. {M} is {f} times as old as {N}. {K} is {b} years younger than {M}. How old will {K} be in {c} years?',
      '{M} is {f} times as old as {N}, who is {a} years old. {K} is {b} years younger than {M}. In {c} years, how old will {K} be?',
    ],
    plan: ['{M} is f*a', '{K} is s1-b', 'later s2+c'],
  },
  {
    id: 'earn-3',
    texts: [
      '{N} earns {$f} an hour. {N} works {a} hours on Monday and {b} hours on Tuesday and spends {$c}. How much money does {N} have left?',
      '{N} works {a} hours on Monday and {b} hours on Tuesday for {$f} an hour. Then {N} spends {$c}. How much money is left?',
    ],
    plan: ['hours a+b', 'pay f*s1', 'left s2-c'],
  },
  {
    id: 'way-3',
    texts: [
      '{N} walks {f} miles an hour for {g} hours and rides {p} miles an hour for {q} hours. How many miles is that in all?',
      'First {N} rides for {g} hours, {f} miles an hour. Then {N} walks for {q} hours, {p} miles an hour. How many miles does {N} go?',
    ],
    plan: ['first f*g', 'then p*q', 'together s1+s2'],
  },
  {
    id: 'bags-3',
    texts: [
      '{N} has {f} bags with {p} {x} in each and {a} more {x}. {N} gives {b} {x} to {M}. How many {x} does {N} have now?',
      '{N} buys {f} bags of {p} {x}. {N} has {a} {x} at home and gives {b} {x} to {M}. How many {x} does {N} have now?',
    ],
    plan: ['in bags f*p', 'with more s1+a', 'left s2-b'],
  },
  {
    id: 'compare-3',
    texts: [
      '{N} has {a} {x}. {M} has {b} more {x} than {N}. {K} has {c} fewer {x} than {M}. How many {x} do {N} and {K} have together?',
      '{M} has {b} more {x} than {N}, who has {a} {x}. {K} has {c} fewer {x} than {M}. How many {x} do {N} and {K} have in all?',
    ],
    plan: ['{M} has a+b', '{K} has s1-c', 'together a+s2'],
  },
];
