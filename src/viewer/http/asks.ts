// Query strings and bodies of the page's requests -> what the answers take, checked.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { check } from '../../io/check.ts';
import type { ComparedSide } from '../api.ts';
import type { QuestionSort } from '../open-run.ts';

/** Rows of one answer. */
const MOST_ROWS = 500;
const LONGEST_ID = 2000;
const LONGEST_TEXT = 1000;

const whole = (most: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, 'a whole number')
    .transform(Number)
    .refine((value) => value <= most, `at most ${most}`);
const Count = whole(1e9);
const Num = z
  .string()
  .regex(/^-?\d{1,12}(?:\.\d{1,20})?(?:e[+-]?\d{1,2})?$/, 'a number')
  .transform(Number);
const Flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const Id = z.string().min(1).max(LONGEST_ID);

const RUN = { run: Count };
const ROUND = { ...RUN, round: Count };
const PAGE = { offset: Count.default(0), limit: whole(MOST_ROWS).default(50) };

const SORTS = ['file', 'score', 'spread', 'right', 'paths', 'tokens'] as const satisfies readonly QuestionSort[];
/** A leading - turns the order round. */
const Sort = z.enum([...SORTS, ...SORTS.map((sort) => `-${sort}` as const)]);

const Questions = z
  .strictObject({
    ...ROUND,
    ...PAGE,
    sort: Sort.default('file'),
    from: z.string().max(LONGEST_ID).exactOptional(),
    drawnIn: Count.exactOptional(),
    outcome: z.enum(['right', 'wrong', 'error']).exactOptional(),
    reason: z.string().max(100).exactOptional(),
    scoreFrom: Num.exactOptional(),
    scoreTo: Num.exactOptional(),
    tokensFrom: Count.exactOptional(),
    tokensTo: Count.exactOptional(),
    truncated: Flag.exactOptional(),
    duplicate: Flag.exactOptional(),
    list: z.enum(['false-step', 'low-right', 'high-wrong', 'disagree', 'unscorable']).exactOptional(),
    text: z.string().max(LONGEST_TEXT).exactOptional(),
  })
  .transform(({ sort, ...ask }) => ({
    ...ask,
    sort: SORTS.find((name) => sort.endsWith(name)) ?? 'file',
    descending: sort.startsWith('-'),
  }));

/** `0:2`, a run and one of its rounds, or `0:last`, a policy of its final evaluation. */
const Side = z
  .string()
  .regex(/^\d{1,6}:(?:\d{1,6}|start|last|continued-sft)$/, 'RUN:ROUND or RUN:POLICY, such as 0:2 or 0:last')
  .transform((text): ComparedSide => {
    const [run = '', policy = ''] = text.split(':');
    if (policy === 'start' || policy === 'last' || policy === 'continued-sft') return { run: Number(run), policy };
    return { run: Number(run), policy: Number(policy) };
  });

export const ASKS = {
  runs: z.strictObject({}),
  run: z.strictObject(RUN),
  round: z.strictObject(ROUND),
  questions: Questions,
  question: z.strictObject({ ...ROUND, id: Id }),
  rollouts: z.strictObject({ ...ROUND, sample: Id, step: Count }),
  tokens: z.strictObject({ ...ROUND, sample: Id }),
  pairs: z.strictObject({ ...ROUND, ...PAGE, alone: Flag.exactOptional() }),
  pair: z.strictObject({ ...ROUND, index: Count }),
  compare: z.strictObject({ first: Side, second: Side, change: z.enum(['gained', 'lost']).exactOptional(), ...PAGE }),
};

/** The body of a label. Its note has at most 2,000 characters. */
export const GivenLabel = z.strictObject({
  sampleId: Id,
  step: z.int().min(0),
  label: z.enum(['good', 'bad', 'unsure']).nullable(),
  note: z.string().max(2000).exactOptional(),
});

/**
 * A query string as `schema` takes it.
 * @throws SipfError 'bad-input' naming the field.
 */
export function askOf<T>(schema: z.ZodType<T>, query: string): T {
  const names = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (names.has(name))
      throw new SipfError('bad-input', `The address, field "${name}": Expected one value, got several. Give it once.`);
    names.set(name, value);
  }
  return check(schema, Object.fromEntries(names), 'The address', 'Correct the address.');
}
