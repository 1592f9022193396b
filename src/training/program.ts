// A trainee and an objective -> one compiled graph of a whole pass: loss, figures and the gradient of every trained tensor.
import { gradients } from '../engine/backward.ts';
import { Graph, type Tensor } from '../engine/graph.ts';
import type { Engine, HostArray, Program } from '../engine/session.ts';
import { decode, decoderInputs } from '../models/decoder.ts';
import { ropeTables } from '../models/rope.ts';
import { keyedUniform } from '../random.ts';
import type { Pass } from './batches.ts';
import { FlatLayout } from './flat-weights.ts';
import type { Feeds, Loss, StepPass } from './losses/loss.ts';
import { passFeeds } from './pass.ts';
import type { TrainingSource } from './source.ts';
import type { Trainee } from './trainee.ts';

export interface PassResult {
  readonly loss: number;
  readonly perPosition: Float32Array;
}

export interface TrainingProgramArgs {
  readonly engine: Engine;
  readonly source: Pick<TrainingSource, 'architecture' | 'config'>;
  readonly trainee: Trainee;
  readonly loss: Loss;
  readonly dropout: boolean;
}

/** Forward and backward of one pass in one session, for every shape of a pass. */
export class TrainingProgram implements AsyncDisposable {
  readonly layout: FlatLayout;
  readonly #program: Program;
  readonly #loss: Loss;
  /** Trained inputs' names in the graph, in the layout's order. */
  readonly #inputs: readonly string[];
  readonly #fixed: Feeds;
  readonly #dropout: boolean;
  readonly #frequencies: Float32Array;
  #rope: { cos: HostArray; sin: HostArray } | null = null;

  constructor(parts: {
    program: Program;
    layout: FlatLayout;
    loss: Loss;
    inputs: readonly string[];
    fixed: Feeds;
    dropout: boolean;
    frequencies: Float32Array;
  }) {
    this.layout = parts.layout;
    this.#program = parts.program;
    this.#loss = parts.loss;
    this.#inputs = parts.inputs;
    this.#fixed = parts.fixed;
    this.#dropout = parts.dropout;
    this.#frequencies = parts.frequencies;
  }

  static async compile({ engine, source, trainee, loss, dropout }: TrainingProgramArgs): Promise<TrainingProgram> {
    const { architecture, config } = source;
    const graph = new Graph();
    const inputs = decoderInputs(graph, config, 'seq', false);
    const noise = dropout ? graph.input('noise', 'float32', ['batch', 'seq', 1]) : null;
    const bound = trainee.bind(graph, noise);
    const { parameters } = bound;
    const { hidden } = decode(architecture, parameters, config, inputs);
    const built = loss.build({ graph, architecture, parameters, config, hidden });
    const trained = bound.trained();
    const layout = new FlatLayout(new Map([...trained].map(([name, { shape }]) => [name, shape])));
    const tensors = layout.tensors.map(({ name }) => trained.get(name) as Tensor);
    const derivatives = gradients(built.loss, tensors);
    const outputs = Object.fromEntries(derivatives.map((tensor, n) => [`gradient.${n}`, tensor]));
    const program = await engine.compile(
      graph,
      { loss: built.loss, perPosition: built.perPosition, ...outputs },
      { prepack: false, keep: trainee.keep },
    );
    const inputNames = tensors.map(({ name }) => name);
    const frequencies = config.ropeFrequencies;
    return new TrainingProgram({
      program,
      layout,
      loss,
      inputs: inputNames,
      fixed: await bound.fixed(),
      dropout,
      frequencies,
    });
  }

  /** Tables of at least `seq` positions: the runtime wants them as long as the row, though no position gets there. */
  #ropeOf(seq: number): { cos: HostArray; sin: HostArray } {
    const known = this.#rope?.cos.shape[0] ?? 0;
    if (this.#rope && known >= seq) return this.#rope;
    const { cos, sin } = ropeTables(this.#frequencies, seq);
    const shape = [seq, this.#frequencies.length];
    this.#rope = { cos: { data: cos, shape }, sin: { data: sin, shape } };
    return this.#rope;
  }

  /**
   * Runs one pass and puts its gradient into `gradient` (added to what is there where `accumulate`).
   * @param dropoutKey names the pass; its dropout depends on nothing else.
   */
  async run(
    of: StepPass,
    params: Float32Array,
    gradient: Float32Array,
    { accumulate, dropoutKey }: { accumulate: boolean; dropoutKey: string },
  ): Promise<PassResult> {
    const feeds: Feeds = {
      ...this.#fixed,
      ...this.#ropeOf(of.pass.seq),
      ...passFeeds(of.pass),
      ...this.#loss.feeds(of),
    };
    if (this.#dropout) feeds['noise'] = noiseOf(of.pass, dropoutKey);
    this.layout.tensors.forEach((tensor, n) => {
      feeds[this.#inputs[n] as string] = { data: this.layout.view(params, tensor), shape: tensor.shape };
    });
    const results = await this.#program.runFloat(feeds);
    this.layout.tensors.forEach((tensor, n) => {
      const part = (results[`gradient.${n}`] as HostArray<Float32Array>).data;
      if (accumulate) addTo(this.layout.view(gradient, tensor), part);
      else gradient.set(part, tensor.offset);
    });
    const { loss, perPosition } = results as Record<'loss' | 'perPosition', HostArray<Float32Array>>;
    return { loss: loss.data[0] as number, perPosition: perPosition.data };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}

/** One number a token; it depends on the token's place in its example, not on where that was packed. */
function noiseOf({ batch, seq, placements }: Pass, key: string): HostArray {
  const data = new Float32Array(batch * seq);
  for (const { example, row, offset } of placements) {
    const draw = keyedUniform(`${key}/${example.index}`);
    const tokens = example.branches.reduce((sum, branch) => sum + branch.length, example.prompt.length);
    for (let t = 0; t < tokens; t++) data[row * seq + offset + t] = draw(t);
  }
  return { data, shape: [batch, seq, 1] };
}
