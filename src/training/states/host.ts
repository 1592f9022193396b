// Training state in main memory: flat arrays that passes are fed views of.
import type { DeviceArray, Engine, Feeds, Value } from '../../engine/runtime/session.ts';
import { AdamW, type AdamWStep } from '../adamw.ts';
import type { FlatLayout, FlatState } from '../flat-weights.ts';
import type { StateArgs, TrainingState } from '../state.ts';

export class HostState implements TrainingState {
  readonly values: FlatState;
  /** Of the step, in the layout of the values. */
  readonly gradient: Float32Array<ArrayBuffer>;
  readonly #engine: Engine;
  readonly #layout: FlatLayout;
  readonly #optimizer: AdamW;

  private constructor({ engine, layout, start }: StateArgs, optimizer: AdamW) {
    this.values = start;
    this.gradient = layout.zeros();
    this.#engine = engine;
    this.#layout = layout;
    this.#optimizer = optimizer;
  }

  static async open(args: StateArgs): Promise<HostState> {
    return new HostState(args, await AdamW.create(args.engine, args.options));
  }

  feeds(names: readonly string[]): Feeds {
    const feeds: Record<string, Value> = {};
    for (const [n, tensor] of this.#layout.tensors.entries()) {
      feeds[names[n] as string] = { data: this.#layout.view(this.values.params, tensor), shape: tensor.shape };
    }
    return feeds;
  }

  async gather(gradients: readonly DeviceArray[], first: boolean): Promise<void> {
    for (const [n, tensor] of this.#layout.tensors.entries()) {
      using gradient = gradients[n] as DeviceArray;
      const { data } = await this.#engine.read(gradient);
      const sum = this.#layout.view(this.gradient, tensor);
      if (first) sum.set(data as Float32Array);
      else addTo(sum, data as Float32Array);
    }
  }

  norm(): Promise<number> {
    return this.#optimizer.norm(this.gradient);
  }

  step(step: AdamWStep): Promise<void> {
    return this.#optimizer.step(this.values, this.gradient, this.#layout, step);
  }

  async read(): Promise<FlatState> {
    return this.values;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#optimizer[Symbol.asyncDispose]();
  }
}

function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}
