// Training state on a device: no step brings it to main memory; update and norm are graphs.
import { add, mul, reduceSum } from '../../engine/build.ts';
import { Graph, type Tensor } from '../../engine/graph.ts';
import type { DeviceArray, Engine, Feeds, Program, Results } from '../../engine/runtime/session.ts';
import { type AdamWOptions, type AdamWStep, adamwScalars, adamwUpdate } from '../adamw.ts';
import type { FlatLayout, FlatState } from '../flat-weights.ts';
import type { StateArgs, TrainingState } from '../state.ts';

const KINDS = ['params', 'm', 'v'] as const;
type Kind = (typeof KINDS)[number];

interface Programs {
  readonly update: Program;
  readonly squares: Program;
  readonly sum: Program;
}

export class DeviceState implements TrainingState {
  readonly #engine: Engine;
  readonly #layout: FlatLayout;
  readonly #options: AdamWOptions;
  readonly #programs: Programs;
  /** By tensor. */
  readonly #values: Record<Kind, DeviceArray[]>;
  #gradient: DeviceArray[] = [];

  private constructor({ engine, layout, options }: StateArgs, programs: Programs, values: Record<Kind, DeviceArray[]>) {
    this.#engine = engine;
    this.#layout = layout;
    this.#options = options;
    this.#programs = programs;
    this.#values = values;
  }

  static async open(args: StateArgs): Promise<DeviceState> {
    const { engine, layout, start } = args;
    const values: Record<Kind, DeviceArray[]> = { params: [], m: [], v: [] };
    for (const kind of KINDS) {
      for (const tensor of layout.tensors) {
        values[kind].push(await engine.place({ data: layout.view(start[kind], tensor), shape: tensor.shape }));
      }
    }
    return new DeviceState(args, await compileAll(engine, layout), values);
  }

  feeds(names: readonly string[]): Feeds {
    return Object.fromEntries(this.#values.params.map((array, n) => [names[n] as string, array]));
  }

  async gather(gradients: readonly DeviceArray[], first: boolean): Promise<void> {
    if (!first) {
      const feeds = { ...named('gradient', this.#gradient), ...named('more', gradients) };
      const sums = await this.#programs.sum.run(feeds);
      for (const more of gradients) more[Symbol.dispose]();
      this.#replaceGradient(this.#taken(sums, 'gradient'));
    } else {
      this.#replaceGradient([...gradients]);
    }
  }

  /** Sums of squares by tensor in float32, their sum in float64. */
  async norm(): Promise<number> {
    const squares = await this.#programs.squares.run(named('gradient', this.#gradient));
    return Math.sqrt(
      this.#layout.tensors.reduce((sum, _, n) => sum + (squares.floats(`squares.${n}`)[0] as number), 0),
    );
  }

  async step(step: AdamWStep): Promise<void> {
    const arrays = KINDS.map((kind) => named(kind, this.#values[kind]));
    const feeds = Object.assign({}, ...arrays, named('gradient', this.#gradient), adamwScalars(this.#options, step));
    const next = await this.#programs.update.run(feeds);
    for (const kind of KINDS) {
      for (const array of this.#values[kind]) array[Symbol.dispose]();
      this.#values[kind] = this.#taken(next, kind);
    }
  }

  async read(): Promise<FlatState> {
    const flat = { params: this.#layout.zeros(), m: this.#layout.zeros(), v: this.#layout.zeros() };
    for (const kind of KINDS) {
      for (const [n, { offset }] of this.#layout.tensors.entries()) {
        const { data } = await this.#engine.read(this.#values[kind][n] as DeviceArray);
        flat[kind].set(data as Float32Array, offset);
      }
    }
    return flat;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#replaceGradient([]);
    for (const kind of KINDS) for (const array of this.#values[kind].splice(0)) array[Symbol.dispose]();
    for (const program of Object.values(this.#programs)) await program[Symbol.asyncDispose]();
  }

  #taken(results: Results, name: string): DeviceArray[] {
    return this.#layout.tensors.map((_, n) => results.device(`${name}.${n}`));
  }

  #replaceGradient(gradient: DeviceArray[]): void {
    for (const array of this.#gradient) array[Symbol.dispose]();
    this.#gradient = gradient;
  }
}

const named = <T>(name: string, values: readonly T[]): Record<string, T> =>
  Object.fromEntries(values.map((value, n) => [`${name}.${n}`, value]));

async function compileAll(engine: Engine, { tensors, decayed }: FlatLayout): Promise<Programs> {
  /** A program over all tensors, whose outputs for each are what `each` says. */
  const compile = (
    stays: boolean,
    begin: (graph: Graph) => (input: (name: string) => Tensor, decays: boolean) => Record<string, Tensor>,
  ) => {
    const graph = new Graph();
    const each = begin(graph);
    const outputs = tensors.map(({ shape, offset }, n) => {
      const built = each((name) => graph.input(`${name}.${n}`, 'float32', shape), offset < decayed);
      return Object.fromEntries(Object.entries(built).map(([name, tensor]) => [`${name}.${n}`, tensor]));
    });
    const all: Record<string, Tensor> = Object.assign({}, ...outputs);
    return engine.compile(graph, all, { prepack: false, stay: stays ? Object.keys(all) : [] });
  };
  return {
    update: await compile(true, (graph) => {
      const updated = adamwUpdate(graph);
      return (input, decays) =>
        updated({ params: input('params'), m: input('m'), v: input('v'), gradient: input('gradient') }, decays);
    }),
    squares: await compile(false, () => (input) => {
      const gradient = input('gradient');
      return { squares: reduceSum(mul(gradient, gradient)) };
    }),
    sum: await compile(true, () => (input) => ({ gradient: add(input('gradient'), input('more')) })),
  };
}
