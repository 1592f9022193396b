// Calls that share programs and a cache -> one after another, until they are closed.

/** A queue of one: the next call starts when the one before has ended, well or not. */
export class CallQueue {
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  async take<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('The model is closed.');
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }

  /** The last call; none may follow. Nothing happens where it was closed before. */
  async close(call: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return;
    const last = this.take(call);
    this.#isClosed = true;
    await last;
  }
}
