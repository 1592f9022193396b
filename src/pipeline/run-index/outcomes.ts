// Outcomes <-> the numbers that the index has for them: right, error, then each reason to be wrong.
import { Outcome } from '../../records.ts';

/** In the order of their numbers. */
export const REASONS: readonly string[] = Outcome.options[1].shape.reason.options;

export const RIGHT = 0;
export const ERROR = 1;
const FIRST_REASON = 2;

/** -1: no outcome that this version knows. */
export function outcomeNumber(kind: unknown, reason: unknown): number {
  if (kind === 'right') return RIGHT;
  if (kind === 'error') return ERROR;
  return kind === 'wrong' && typeof reason === 'string' ? reasonNumber(reason) : -1;
}

/** Of an outcome that is wrong for this reason; -1: there is none. */
export function reasonNumber(reason: string): number {
  const place = REASONS.indexOf(reason);
  return place === -1 ? -1 : FIRST_REASON + place;
}

export function isWrong(outcome: number): boolean {
  return outcome >= FIRST_REASON;
}
