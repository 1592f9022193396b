// Calls that share programs and a cache -> one after another, in the order they came. Leaves their results and errors to the callers.

/** A queue of one: the next call starts when the one before has ended, well or not. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }
}
