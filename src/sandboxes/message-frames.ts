// Chunks of a pipe -> messages with four bytes of length before each: the parent's side.
const MAX_FRAME = 256 * 2 ** 20;

/** Collects chunks until messages are whole. */
export class FrameReader {
  readonly #take: (frame: Buffer) => void;
  readonly #max: number;
  readonly #refuse: () => void;
  #chunks: Buffer[] = [];
  #length = 0;
  #refused = false;

  /** @param refuse called instead of `take` for a message of more than `max` bytes; nothing is taken after that. */
  constructor(take: (frame: Buffer) => void, max: number = MAX_FRAME, refuse: () => void = () => {}) {
    this.#take = take;
    this.#max = max;
    this.#refuse = refuse;
  }

  push(chunk: Buffer): void {
    if (this.#refused) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (let size = this.#size(); size !== null && this.#length >= size + 4; size = this.#size()) {
      const all = Buffer.concat(this.#chunks);
      this.#chunks = [all.subarray(size + 4)];
      this.#length = all.length - size - 4;
      this.#take(all.subarray(4, size + 4));
    }
  }

  #size(): number | null {
    if (this.#length < 4) return null;
    if ((this.#chunks[0]?.length ?? 0) < 4) this.#chunks = [Buffer.concat(this.#chunks)];
    const size = this.#chunks[0]?.readUInt32LE() ?? 0;
    if (size <= this.#max) return size;
    this.#refused = true;
    this.#refuse();
    return null;
  }
}
