// Bytes of a pipe <-> messages with four bytes of length before each: blocking, in the host.
import { Buffer } from 'node:buffer';
import { readSync, writeSync } from 'node:fs';

const RETRIED = new Set(['EAGAIN', 'EINTR']);

function again(error: unknown): boolean {
  if (!RETRIED.has(String((error as { code?: unknown }).code))) return false;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  return true;
}

function fill(target: Buffer): boolean {
  for (let offset = 0; offset < target.length; ) {
    try {
      const read = readSync(0, target, offset, target.length - offset, null);
      if (read === 0) return false;
      offset += read;
    } catch (error) {
      if (!again(error)) return false;
    }
  }
  return true;
}

/** The next message from standard input; null: the parent has gone. */
export function readFrame(): Buffer | null {
  const header = Buffer.alloc(4);
  if (!fill(header)) return null;
  const body = Buffer.alloc(header.readUInt32LE());
  return fill(body) ? body : null;
}

/** Writes a message to standard output. */
export function writeFrame(body: Buffer): void {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32LE(body.length);
  body.copy(frame, 4);
  for (let offset = 0; offset < frame.length; ) {
    try {
      offset += writeSync(1, frame, offset);
    } catch (error) {
      if (!again(error)) throw error;
    }
  }
}
