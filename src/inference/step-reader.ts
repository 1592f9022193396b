// Prompts and steps as token ids -> what one program says at each step's last token.
import type { CallOptions, PathTokens, StepPath } from '../backend.ts';
import { vector } from '../engine/host-arrays.ts';
import type { Engine, Program } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { passInputs, RopeTables } from '../models/pass-inputs.ts';
import { stepTokens } from '../models/tokenizer/step-tokens.ts';
import { ContextEncoder, type ContextTokenizer } from './context.ts';
import { type PackOptions, readPacked, type TokenPass } from './packed-rows.ts';
import { notNumbers } from './passes.ts';

/** A path in token ids. */
export interface TokenPath {
  readonly prompt: readonly number[];
  readonly steps: readonly (readonly number[])[];
}

export interface ReadOptions extends PackOptions, CallOptions {}

/** What reads steps: `compile` makes a program of a pass without a past and of the places `at [n]`, whose output is `values [n, ...]`. */
export interface StepProgram {
  /** What errors call the model. */
  readonly name: string;
  readonly compile: (engine: Engine, weights: ModelWeights) => Promise<Program>;
}

/** Reads steps with a program that is made when first needed and released on dispose. */
export class StepReader implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #weights: ModelWeights;
  readonly #kind: StepProgram;
  readonly #ropes: RopeTables;
  #program: Program | undefined;

  constructor(engine: Engine, weights: ModelWeights, kind: StepProgram) {
    this.#engine = engine;
    this.#weights = weights;
    this.#kind = kind;
    this.#ropes = new RopeTables(engine, weights.decoder.config);
  }

  /**
   * `[path][step]` the program's values; paths of one prompt share its computation.
   * @throws SipfError 'bad-input' naming the path (by index) that has an empty step or is longer than the model's context; 'diverged' on NaN.
   */
  async read(paths: readonly TokenPath[], options: ReadOptions = {}): Promise<Float32Array[][]> {
    const read = joinPaths(paths, this.#weights.decoder.config.contextLength);
    const items = paths.map(({ prompt, steps }) => ({ prefix: prompt, continuation: steps.flat() }));
    return readPacked(
      items,
      (item) => read[item]?.ends ?? [],
      (pass) => this.#run(pass),
      options,
    );
  }

  async #run({ shape, rows, at }: TokenPass): Promise<Float32Array[]> {
    this.#program ??= await this.#kind.compile(this.#engine, this.#weights);
    const result = await this.#program.run({
      ...passInputs(shape, rows),
      ...(await this.#ropes.upTo(shape.seq)),
      at: vector(at),
    });
    const values = result.floats('values');
    if (!values.every(Number.isFinite)) throw await notNumbers(this.#kind.name, this.#weights);
    const width = values.length / at.length;
    return Array.from(at, (_, n) => values.subarray(n * width, (n + 1) * width));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    this.#program = undefined;
    this.#ropes[Symbol.dispose]();
  }
}

/** Paths as a model reads them: the prompt begins a text, and each step is tokenised on its own. */
export function encodePaths(paths: readonly StepPath[], tokenizer: ContextTokenizer, vocab: number): TokenPath[] {
  const encoder = new ContextEncoder(tokenizer, vocab);
  return paths.map(({ prompt, steps }) => ({
    prompt: encoder.piece(prompt, true),
    steps: steps.map((step) => stepTokens(step, (text) => encoder.piece(text, false))),
  }));
}

/**
 * Prompt and steps joined, and the places of the steps' last tokens.
 * @throws SipfError 'bad-input' naming the path (by index) that has an empty step or more than `limit` tokens.
 */
export function joinPaths(paths: readonly TokenPath[], limit: number): PathTokens[] {
  return paths.map((path, n) => {
    checkPath(path, n, limit);
    const { prompt, steps } = path;
    let end = prompt.length - 1;
    return { ids: [...prompt, ...steps.flat()], ends: steps.map((step) => (end += step.length)) };
  });
}

function checkPath({ prompt, steps }: TokenPath, n: number, limit: number): void {
  const empty = steps.findIndex((step) => step.length === 0);
  if (empty >= 0) {
    throw new SipfError(
      'bad-input',
      `Expected text in every step of path ${n}, got none in step ${empty}. Leave empty steps out.`,
    );
  }
  const length = prompt.length + steps.flat().length;
  if (length <= limit) return;
  throw new SipfError(
    'bad-input',
    `Expected at most ${limit} tokens (the model's context length) in path ${n}, got ${length}. Leave that path out.`,
  );
}
