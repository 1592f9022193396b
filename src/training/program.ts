// A trainee and an objective -> one graph of a whole pass: loss, figures, gradients.
import { gradients } from '../engine/backward.ts';
import { Graph, type Tensor } from '../engine/graph.ts';
import type { Engine, HostArray, Program } from '../engine/runtime/session.ts';
import { type Decoder, decode } from '../models/architectures/architecture.ts';
import { declareInputs, passInputs, RopeTables } from '../models/pass-inputs.ts';
import type { Loss } from '../objectives/objective.ts';
import { keyedUniform } from '../random.ts';
import type { Pass } from './batches.ts';
import { activationBytes } from './cost.ts';
import { FlatLayout } from './flat-weights.ts';
import { lossContext } from './loss-context.ts';
import type { StepPass } from './placed.ts';
import type { TrainingState } from './state.ts';
import type { Trainee } from './trainee.ts';

interface PassResult {
  readonly loss: number;
  /** By name; a loss's own have one value, which adds up over the passes of a step. */
  readonly figures: Readonly<Record<string, Float32Array>>;
}

interface TrainingProgramArgs {
  readonly engine: Engine;
  readonly decoder: Decoder;
  readonly trainee: Trainee;
  readonly loss: Loss;
  readonly dropout: boolean;
  /** Positions whose logits are computed at once; a pass of more computes them in parts. */
  readonly maxPositions: number;
  /** What a pass may keep for its backward pass; one that needs more computes each layer again there. */
  readonly maxActivationBytes: number;
}

/** One compiled graph of a whole pass. */
interface CompiledPass {
  readonly program: Program;
  readonly layout: FlatLayout;
  /** Trained inputs' names in the graph, in the layout's order. */
  readonly inputs: readonly string[];
  readonly figures: readonly string[];
}

/** How a pass saves memory. */
interface Saving {
  /** Parts in which logits are computed. */
  readonly parts: number;
  /** Layers are computed again in the backward pass. */
  readonly recompute: boolean;
}

const NOTHING_SAVED: Saving = { parts: 1, recompute: false };

async function compilePass(
  { engine, decoder, trainee, loss, dropout }: TrainingProgramArgs,
  { parts, recompute }: Saving,
): Promise<CompiledPass> {
  const graph = new Graph();
  const inputs = declareInputs(graph, decoder.config);
  const noise = dropout ? graph.input('noise', 'float32', ['batch', 'seq', 1]) : null;
  const bound = trainee.bind(graph, noise);
  const { parameters } = bound;
  const { hidden } = decode(decoder, parameters, inputs, { recompute });
  const built = loss.build(lossContext({ decoder, parameters, hidden, parts }));
  const trained = bound.trained();
  const layout = new FlatLayout(new Map([...trained].map(([name, { shape }]) => [name, shape])));
  const tensors = layout.tensors.map(({ name }) => trained.get(name) as Tensor);
  const derivatives = gradients(built.loss, tensors).map((tensor, n) => [`gradient.${n}`, tensor] as const);
  const figures = Object.entries(built.figures).map(([name, tensor]) => [`figure.${name}`, tensor] as const);
  const outputs = { loss: built.loss, ...Object.fromEntries([...derivatives, ...figures]) };
  const program = await engine.compile(graph, outputs, {
    prepack: false,
    keep: trainee.keep,
    stay: derivatives.map(([name]) => name),
    fixed: await bound.fixed(),
  });
  return { program, layout, inputs: tensors.map(({ name }) => name), figures: Object.keys(built.figures) };
}

/** Forward and backward of one pass in one session, for every shape of a pass; very large passes have sessions of their own, which save memory. */
export class TrainingProgram implements AsyncDisposable {
  readonly layout: FlatLayout;
  readonly #args: TrainingProgramArgs;
  /** By how they save memory. */
  readonly #passes = new Map<string, CompiledPass>();
  readonly #ropes: RopeTables;

  private constructor(args: TrainingProgramArgs, whole: CompiledPass) {
    this.layout = whole.layout;
    this.#args = args;
    this.#passes.set(JSON.stringify(NOTHING_SAVED), whole);
    this.#ropes = new RopeTables(args.engine, args.decoder.config);
  }

  static async compile(args: TrainingProgramArgs): Promise<TrainingProgram> {
    return new TrainingProgram(args, await compilePass(args, NOTHING_SAVED));
  }

  async #passFor(of: StepPass): Promise<CompiledPass> {
    const saving = this.#savingOf(of);
    const key = JSON.stringify(saving);
    const compiled = this.#passes.get(key) ?? (await compilePass(this.#args, saving));
    this.#passes.set(key, compiled);
    return compiled;
  }

  #savingOf({ pass, examples }: StepPass): Saving {
    const { loss, decoder, maxPositions, maxActivationBytes } = this.#args;
    const positions = examples.reduce((sum, example) => sum + loss.positions(example), 0);
    const wanted = Math.ceil(Math.log2(positions / maxPositions));
    // A power of two, so that there are few sessions; no part may be empty.
    const parts = 2 ** Math.max(0, Math.min(wanted, Math.floor(Math.log2(positions))));
    return { parts, recompute: activationBytes(decoder.config, pass) > maxActivationBytes };
  }

  /**
   * Runs one pass on the state's parameters, and gives the state its gradients.
   * @param first whether it is the first pass of its step.
   * @param dropoutKey names the pass; its dropout depends on nothing else.
   */
  async run(
    of: StepPass,
    state: TrainingState,
    { first, dropoutKey }: { first: boolean; dropoutKey: string },
  ): Promise<PassResult> {
    const { loss: objective, dropout } = this.#args;
    const { program, layout, inputs, figures } = await this.#passFor(of);
    const placements = of.pass.placements.map(({ example, row, offset }) => ({ ...example, row, offset }));
    const results = await program.run({
      ...passInputs(of.pass, placements),
      ...(await this.#ropes.upTo(of.pass.seq)),
      ...objective.feeds(of),
      ...(dropout ? { noise: noiseOf(of.pass, dropoutKey) } : {}),
      ...state.feeds(inputs),
    });
    await state.gather(
      layout.tensors.map((_, n) => results.device(`gradient.${n}`)),
      first,
    );
    return {
      loss: results.floats('loss')[0] as number,
      figures: Object.fromEntries(figures.map((name) => [name, results.floats(`figure.${name}`)])),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { program } of this.#passes.values()) await program[Symbol.asyncDispose]();
    this.#ropes[Symbol.dispose]();
  }
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
