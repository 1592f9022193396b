// A value and a schema -> the value, or an error that names place, field and remedy.
import type { z } from 'zod';
import { SipfError } from '../errors.ts';
import { isExactNumber, jsonText } from './exact-json.ts';
import { renameHint } from './field-names.ts';

/**
 * `value` through `schema`. `remedy`: what the message asks for.
 * @throws SipfError 'bad-input' naming `place` and the first wrong field.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, place: string, remedy = 'Fix that line.'): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]!);
  const field = issue.path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
  const got = describe(
    at(value, [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])]),
  );
  const where = field === '' ? place : `${place}, field "${field}"`;
  const fix = missingHint(value, issue) || ` ${remedy}`;
  throw new SipfError('bad-input', `${where}: Expected ${expectation(issue)}, got ${got}.${fix}`);
}

/** How to rename the field that is most likely meant, where a record lacks one. */
function missingHint(value: unknown, { path }: z.core.$ZodIssue): string {
  const [field] = path;
  if (path.length !== 1 || typeof field !== 'string' || value === null || typeof value !== 'object') return '';
  return at(value, path) === undefined ? renameHint(value as Readonly<Record<string, unknown>>, field) : '';
}

/** Of a failed union, the issue of the branch that came furthest; a plain mismatch stays as it is. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  let best: z.core.$ZodIssue | null = null;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first && first.path.length > (best?.path.length ?? 0)) best = first;
  }
  return best ? deepest({ ...best, path: [...issue.path, ...best.path] }) : issue;
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return article(issue.expected === 'int' ? 'integer' : issue.expected);
  if (issue.code === 'invalid_union') {
    const kinds = issue.errors.flatMap((branch) => branch.slice(0, 1).map(expectation));
    return kinds.length > 0 ? [...new Set(kinds)].join(' or ') : issue.message;
  }
  if (issue.code === 'unrecognized_keys') return `no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
  if (issue.code === 'too_small')
    return `${issue.inclusive === false ? 'more than' : 'at least'} ${counted(issue.minimum, issue.origin)}`;
  if (issue.code === 'too_big')
    return `${issue.inclusive === false ? 'less than' : 'at most'} ${counted(issue.maximum, issue.origin)}`;
  return issue.message.replace(/^Invalid (input|option): expected /, '').replace(/\.$/, '');
}

/** A bound of a list's items, a text's characters, or a number. */
function counted(bound: number | bigint, origin: string): string {
  const unit = origin === 'array' ? 'item' : origin === 'string' ? 'character' : '';
  return unit === '' ? String(bound) : `${bound} ${unit}${bound === 1 ? '' : 's'}`;
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'object' && !isExactNumber(value)) return 'an object';
  const text = jsonText(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
