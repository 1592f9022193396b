// Named arrays -> the same arrays where the provider computes, placed once, disposed together.
import type { DeviceArray, Engine, HostArray } from './runtime/session.ts';

export class PlacedArrays implements Disposable {
  readonly #engine: Pick<Engine, 'place'>;
  readonly #placed = new Map<string, DeviceArray>();

  constructor(engine: Pick<Engine, 'place'>) {
    this.#engine = engine;
  }

  /** The array called `name`, which `make` gives the first time. */
  async of(name: string, make: () => HostArray | Promise<HostArray>): Promise<DeviceArray> {
    const known = this.#placed.get(name) ?? (await this.#engine.place(await make()));
    this.#placed.set(name, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const array of this.#placed.values()) array[Symbol.dispose]();
    this.#placed.clear();
  }
}
