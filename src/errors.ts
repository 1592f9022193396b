// A problem -> an error that says what was expected, what came, and what to do.
import { existsSync, realpathSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

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
  | 'crashed' // a program that works for us ended without its result
  | 'unreachable' // a server gave no answer, however often it was asked
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

/**
 * The message of a thrown value.
 * @example
 * await loadConfig({ file: 'sipf.json' }).catch((error) => console.error(messageOf(error)));
 */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A system error's code; empty: it has none. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

/** Why a path could not be read, as it follows `got` in a message. */
export function whyUnread(thrown: unknown): string {
  const code = codeOf(thrown);
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing there';
  if (code === 'EISDIR') return 'a folder';
  if (code === 'EACCES' || code === 'EPERM') return 'no permission to read it';
  return messageOf(thrown);
}

/** A system's error code with its meaning: `EACCES (no permission)`. */
export function codeInWords(code: string): string {
  const words = CODES[code];
  return words === undefined ? code : `${code} (${words})`;
}

const CODES: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'a folder of this path is missing',
  ENOTDIR: 'a file is where the path needs a folder',
  EISDIR: 'a folder is there',
  ENAMETOOLONG: 'the name is too long',
};

/** A text of a file in a message: cut short, and without what would move a terminal's cursor. */
export function printable(text: string, longest = 200): string {
  const clean = text.replace(/\p{Cc}/gu, '?');
  return clean.length > longest ? `${clean.slice(0, longest - 3)}...` : clean;
}

/** A value in a message, cut short; NaN and infinity (from GGUF metadata) by name. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return printable(text, 80);
}

/**
 * Stops here on request.
 * @throws SipfError 'aborted' if `signal` has fired.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw stopped();
}

/** The error of what was stopped on request. */
export function stopped(): SipfError {
  return new SipfError('aborted', 'Stopped on request.');
}

/** A command that works where this process was started: run, --out, x -> `sipf run --out x`, or its form in a checkout. */
export function sipfCommand(...words: readonly string[]): string {
  const name = programName({ script: process.argv[1] ?? '', folder: process.cwd(), env: process.env });
  return [name, ...words.map(shellWord)].join(' ');
}

/** A word as a shell reads it back. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Where a process was started from. */
export interface Start {
  /** The script that Node runs. */
  readonly script: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `sipf` for an installed package, `npm run -s sipf --` in a checkout's own folder, `node .../main.js` for a checkout elsewhere. */
export function programName(
  { script, folder, env }: Start,
  root = fileURLToPath(new URL('..', import.meta.url)),
): string {
  if (basename(script) === 'sipf') return env['npm_command'] === 'exec' ? 'npx sipf' : 'sipf';
  const home = join(root, sep);
  const isCheckout = existsSync(join(home, 'src', 'errors.ts'));
  if (!isCheckout || !real(script).startsWith(join(real(home), 'dist', sep))) return 'sipf';
  return real(folder) === real(home) ? 'npm run -s sipf --' : `node ${shellWord(join(home, 'dist', 'cli', 'main.js'))}`;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
