// The operations of `mini-code`: what a question says, what code does, what it computes.

/**
 * One operation on the running value `x`. In texts {N} is the person, {M} another one, {p} and {q} are parameters. `lines` is its Python at
 * one level of a function. `order`: operations of one order that follow each other may be done in any order.
 */
export interface Operation {
  readonly id: string;
  readonly texts: readonly string[];
  readonly lines: readonly string[];
  readonly parameters: 1 | 2;
  readonly order: 'sum' | null;
  readonly apply: (x: number, p: number, q: number) => number;
}

export const OPERATIONS: readonly Operation[] = [
  {
    id: 'gain',
    texts: ['finds {p} more', 'gets {p} from {M}', 'buys {p} more'],
    lines: ['x = x + {p}'],
    parameters: 1,
    order: 'sum',
    apply: (x, p) => x + p,
  },
  {
    id: 'lose',
    texts: ['loses {p}', 'gives {p} to {M}', 'sells {p}'],
    lines: ['x = x - {p}'],
    parameters: 1,
    order: 'sum',
    apply: (x, p) => x - p,
  },
  {
    id: 'times',
    texts: ['makes it {p} times as many', 'wins until there are {p} times as many'],
    lines: ['x = x * {p}'],
    parameters: 1,
    order: null,
    apply: (x, p) => x * p,
  },
  {
    id: 'share',
    texts: ['keeps one of {p} equal parts', 'shares with {M} and others in {p} equal parts'],
    lines: ['x = x // {p}'],
    parameters: 1,
    order: null,
    apply: (x, p) => Math.floor(x / p),
  },
  {
    id: 'gain-daily',
    texts: ['finds {p} more on each of {q} days', 'gets {p} from {M} on each of {q} days'],
    lines: ['for i in range({q}):', '    x = x + {p}'],
    parameters: 2,
    order: 'sum',
    apply: (x, p, q) => x + p * q,
  },
  {
    id: 'double-daily',
    texts: ['makes it {p} times as many on each of {q} days'],
    lines: ['for i in range({q}):', '    x = x * {p}'],
    parameters: 2,
    order: null,
    apply: (x, p, q) => x * p ** q,
  },
  {
    id: 'lose-above',
    texts: ['loses {p} if there are more than {q}', 'gives {p} to {M} if there are more than {q}'],
    lines: ['if x > {q}:', '    x = x - {p}'],
    parameters: 2,
    order: null,
    apply: (x, p, q) => (x > q ? x - p : x),
  },
];

/** Names of parameters; `f`, `i` and `x` are taken. */
export const LETTERS = [...'abcdghkmnpqrst'];

/** What says when an operation happens; the sentences stand in any order. */
export const ORDINALS = ['First', 'Second', 'Third', 'Fourth'] as const;
