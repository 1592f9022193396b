// A file that grows -> what came since the last look.
import type { FileHandle } from 'node:fs/promises';
import { SipfError } from '../errors.ts';
import { withFile } from '../io/file-bytes.ts';

const LINE_FEED = 0x0a;

interface Rest {
  readonly bytes: Buffer;
  /** The file is another. */
  readonly isNew: boolean;
}

/**
 * Reads a file on from where it ended. One that became shorter, or was put in its place, is another file: it is read from its start.
 * @throws SipfError 'bad-input', from each method, where it cannot be read.
 */
export class Tail {
  readonly #path: string;
  #at = 0;
  /** The file's number on its disk; null: none was read. */
  #inode: bigint | null = null;
  #lines = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Whole lines that came, with the number of the first (from 1). `isNew`: the file is another. */
  lines(): Promise<{ readonly lines: readonly string[]; readonly first: number; readonly isNew: boolean }> {
    return this.#inTurn(async () => {
      const { bytes, isNew } = await this.#rest();
      const end = bytes.lastIndexOf(LINE_FEED) + 1;
      const lines = end === 0 ? [] : bytes.toString('utf8', 0, end - 1).split('\n');
      const first = this.#lines + 1;
      this.#at += end;
      this.#lines += lines.length;
      return { lines, first, isNew };
    });
  }

  /** How many lines have ended in all. Not for a file whose `lines` are read. */
  count(): Promise<number> {
    return this.#inTurn(async () => {
      const { bytes } = await this.#rest();
      this.#at += bytes.length;
      for (let feed = bytes.indexOf(LINE_FEED); feed !== -1; feed = bytes.indexOf(LINE_FEED, feed + 1))
        this.#lines += 1;
      return this.#lines;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Empty where there is no file. */
  async #rest(): Promise<Rest> {
    const rest = await withFile(this.#path, (file, size) => this.#restOf(file, size)).catch((error: unknown) => {
      if (error instanceof SipfError && error.code === 'not-found') return null;
      throw error;
    });
    return rest ?? { bytes: Buffer.alloc(0), isNew: this.#beginAgain() };
  }

  async #restOf(file: FileHandle, size: number): Promise<Rest> {
    const { ino } = await file.stat({ bigint: true });
    const isNew = (size < this.#at || ino !== this.#inode) && this.#beginAgain();
    this.#inode = ino;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - this.#at), 0, size - this.#at, this.#at);
    return { bytes: buffer.subarray(0, bytesRead), isNew };
  }

  /** Whether something was read before. */
  #beginAgain(): boolean {
    const isNew = this.#at > 0;
    [this.#at, this.#lines] = [0, 0];
    return isNew;
  }
}
