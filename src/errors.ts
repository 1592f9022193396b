// A problem -> an error that says what was expected, what came, and what to do. Leaves printing to the command line.

/** Codes are stable: other tools match on them. */
export type SipfErrorCode =
  | 'bad-input' // a file, line, field or option of the user's is wrong
  | 'not-found' // a file, model or data set is not there
  | 'bad-config' // unknown or ill-typed configuration key
  | 'config-changed' // an existing run was made with another configuration
  | 'locked' // a second writer on one run directory
  | 'write-failed' // disk full, no permission
  | 'unsupported' // a model, file type or provider we cannot handle
  | 'provider-unavailable' // the execution provider cannot start here
  | 'diverged' // NaN or infinite loss
  | 'no-change' // training left every trainable weight as it was
  | 'nothing-left' // filters or labels left no rows to work with
  | 'aborted'; // Ctrl-C

/** An error the user can act on: exit code 2 and no stack. Everything else that is thrown is a bug: exit code 1. */
export class SipfError extends Error {
  override readonly name = 'SipfError';
  readonly code: SipfErrorCode;

  constructor(code: SipfErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** `value` as the message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A text of a file in a message: cut short, and without what would move a terminal's cursor. */
export function printable(text: string, longest = 200): string {
  const clean = text.replace(/\p{Cc}/gu, '?');
  return clean.length > longest ? `${clean.slice(0, longest - 3)}...` : clean;
}

/** Throws SipfError 'aborted' if `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SipfError('aborted', 'Stopped on request. Run the same command again to go on.');
}
