// Texts and JSON values -> stable hashes, keys, keyed choices, and where two values differ.
import { createHash } from 'node:crypto';

/** SHA-256 of one text, or of several parts as if they were one, in hexadecimal. */
export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** The hash that names a checkpoint in records: the model's own, or one of the hashes of model and adapter together. */
export function checkpointHash(model: string, adapter: string | null): string {
  return adapter === null ? model : sha256(`${model}\n${adapter}`);
}

/** JSON with sorted keys: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (isTree(inner) ? withSortedKeys(inner) : inner));
}

function withSortedKeys(tree: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** SHA-256 of `canonicalJson(value)`, made piece by piece: one string would not hold a million questions. */
export function canonicalHash(value: unknown): string {
  const hash = createHash('sha256');
  for (const piece of canonicalPieces(value)) hash.update(piece);
  return hash.digest('hex');
}

function* canonicalPieces(value: unknown): Generator<string> {
  if (Array.isArray(value)) {
    yield '[';
    for (const [n, item] of value.entries()) yield `${n === 0 ? '' : ','}${canonicalJson(item ?? null)}`;
    yield ']';
  } else if (isTree(value)) {
    const entries = Object.entries(withSortedKeys(value)).filter(([, inner]) => inner !== undefined);
    yield '{';
    for (const [n, [key, inner]] of entries.entries()) {
      yield `${n === 0 ? '' : ','}${JSON.stringify(key)}:`;
      yield* canonicalPieces(inner);
    }
    yield '}';
  } else yield canonicalJson(value);
}

/** A dotted key in which two JSON values differ. */
export interface Difference {
  readonly key: string;
  readonly from: unknown;
  readonly to: unknown;
}

/**
 * Every key in which two JSON values differ, with both values.
 * @example
 * jsonDifference({ seed: 1, labels: { K: 4 } }, { seed: 1, labels: { K: 8 } }); // [{ key: 'labels.K', from: 4, to: 8 }]
 */
export function jsonDifference(a: unknown, b: unknown, prefix = ''): Difference[] {
  if (isTree(a) && isTree(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => jsonDifference(a[key], b[key], prefix === '' ? key : `${prefix}.${key}`));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ key: prefix, from: a, to: b }];
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** A number in [0, 1) that depends on `parts` alone. */
export function keyedNumber(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** A positive 31-bit seed that depends on `parts` alone. */
export function keyedSeed(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readUInt32BE(0) >>> 1;
}

/** `items` in an order that depends on `key` and each item's id alone, not on the order they came in. */
export function keyedOrder<T>(items: readonly T[], key: string, idOf: (item: T) => string): T[] {
  const ranked = items.map((item) => ({ item, id: idOf(item), rank: keyedNumber(key, idOf(item)) }));
  ranked.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
  return ranked.map(({ item }) => item);
}

export interface DrawKey {
  readonly seed: number;
  readonly stage: string;
  readonly iteration: number;
  readonly questionId: string;
  /** The text before the drawn completion. */
  readonly prefix: string;
  readonly index: number;
}

/** Key of one drawn completion (docs/method.md, section 5): no rollout replays its path or a neighbour, no round repeats the last. */
export function drawKey({ seed, stage, iteration, questionId, prefix, index }: DrawKey): string {
  return [seed, stage, iteration, questionId, sha256(prefix).slice(0, 24), index].join('/');
}

/** True for as many other questions, whose labels weigh a PRM against log-probabilities: they train no PRM where that is done. */
export function isForCalibration(questionId: string, share: number): boolean {
  return !isHeldOut(questionId, share) && isHeldOut(questionId, 2 * share);
}

/** True for the share of questions (by id, for every seed) that never trains a PRM. */
export function isHeldOut(questionId: string, share: number): boolean {
  return keyedNumber('held-out', questionId) < share;
}

/** Of fewer questions none can be spared. */
const FEWEST = 4;
/** Between two neighbours among keyed numbers. */
const STEP = 2 ** -48;

/**
 * The share to ask `isHeldOut` with: `share` itself, or, where the hash holds out none of these few questions, the least that holds out as
 * many as `share` says, one at least.
 */
export function shareHeldOut(ids: readonly string[], share: number): number {
  if (share === 0 || ids.length < FEWEST || ids.some((id) => isHeldOut(id, share))) return share;
  const numbers = ids.map((id) => keyedNumber('held-out', id)).sort((a, b) => a - b);
  const wanted = Math.max(1, Math.round(share * ids.length));
  // Just above that number: exactly so many are below it.
  return (numbers[wanted - 1] ?? share) + STEP;
}
