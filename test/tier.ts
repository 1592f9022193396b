// The tier that tests run in -> how much of a thing they try.

/** Whether this is `npm run test:all`. */
export const isFull = process.env['SIPF_TEST_FULL'] === '1';

/** `full` in `npm run test:all`, elsewhere a `part` of it. */
export function sized(part: number, full: number): number {
  return isFull ? full : part;
}
