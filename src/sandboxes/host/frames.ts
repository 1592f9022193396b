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

/** A message as it goes into the pipe. */
export function frameOf(body: Buffer): Buffer<ArrayBuffer> {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, body]);
}

/** Writes a message to standard output. */
export function writeFrame(body: Buffer): void {
  const frame = frameOf(body);
  for (let offset = 0; offset < frame.length; ) {
    try {
      offset += writeSync(1, frame, offset);
    } catch (error) {
      if (!again(error)) throw error;
    }
  }
}
