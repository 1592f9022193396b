// A record file -> each line's JSON value with its place, in one pass over the bytes.
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { messageOf, SipfError, throwIfAborted } from '../../errors.ts';

/** Where a record is in its file. */
export interface Place {
  /** Offset of its first byte, and how many there are, the line feed apart. */
  readonly at: number;
  readonly bytes: number;
  /** 1-based. */
  readonly line: number;
}

/** Where a reading ended: behind a line. */
export interface End {
  readonly at: number;
  /** Of the line that comes. */
  readonly line: number;
}

interface ScanOptions {
  /** Where the reading before ended; absent: at the start. */
  readonly from?: End | undefined;
  /** Something may still be written behind the last line feed: it is no line yet. */
  readonly isGrowing?: boolean | undefined;
  /** Takes one line's value; what it throws as SipfError is a fault of that line. */
  readonly take: (value: unknown, place: Place) => void;
  /** What is wrong with a line, which is passed over. */
  readonly onFault: (message: string, line: number) => void;
  /** Bytes that were read since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const BLOCK = 1 << 22;
const LINE_FEED = 0x0a;

/**
 * Reads `path` block by block, and says where it ended; other work has its turn between two blocks. Lines are JSON, blank ones are passed over.
 * @throws SipfError 'aborted'; the system's error where the file cannot be read.
 */
export async function scanLines(path: string, options: ScanOptions): Promise<End> {
  const file = await open(path, 'r');
  try {
    let block = Buffer.allocUnsafeSlow(BLOCK);
    // What `block` begins with, and how much of it is filled: the start of a line whose end is not read yet.
    const place = { at: 0, line: 1, ...options.from };
    let filled = 0;
    for (;;) {
      throwIfAborted(options.signal);
      if (filled === block.length) block = Buffer.concat([block], 2 * block.length);
      const { bytesRead } = await file.read(block, filled, block.length - filled, place.at + filled);
      options.onBytes?.(bytesRead);
      const searched = filled;
      filled += bytesRead;
      const isLast = bytesRead === 0;
      const end = isLast && options.isGrowing !== true ? filled : endOfLines(block, searched, filled);
      if (end === 0 && !isLast) continue;
      takeLines(block.subarray(0, end), place, options);
      if (isLast) return place;
      block.copyWithin(0, end, filled);
      filled -= end;
    }
  } finally {
    await file.close();
  }
}

/** After the last line feed from `from` on; 0: there is none. */
function endOfLines(block: Buffer, from: number, to: number): number {
  return block.subarray(from, to).lastIndexOf(LINE_FEED) === -1 ? 0 : block.lastIndexOf(LINE_FEED, to - 1) + 1;
}

/** Takes the lines of `bytes`, which are at `place`, and moves `place` behind them. */
function takeLines(bytes: Buffer, place: { at: number; line: number }, { take, onFault }: ScanOptions): void {
  // One check of all is cheap; only where it fails each line has its own.
  const isText = isUtf8(bytes);
  let from = 0;
  while (from < bytes.length) {
    const feed = bytes.indexOf(LINE_FEED, from);
    const to = feed === -1 ? bytes.length : feed;
    try {
      if (!isText && !isUtf8(bytes.subarray(from, to)))
        throw new SipfError('bad-input', 'Expected UTF-8 text, got other bytes.');
      const text = bytes.toString('utf8', from, to);
      if (to > from && text.trim() !== '')
        take(jsonIn(text), { at: place.at + from, bytes: to - from, line: place.line });
    } catch (error) {
      if (!(error instanceof SipfError)) throw error;
      onFault(error.message, place.line);
    }
    place.line += 1;
    from = to + 1;
  }
  place.at += bytes.length;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const start = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
    const why = messageOf(cause).slice(0, 120);
    throw new SipfError('bad-input', `Expected one JSON object, got ${start} (${why}).`, { cause });
  }
}
