// Prompts and steps as token ids -> P(step correct) at each step's last token.
import { vector } from '../engine/host-arrays.ts';
import type { Engine, Program } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { passInputs, RopeTables } from '../models/pass-inputs.ts';
import { type PackOptions, readPacked, type TokenPass } from './packed-rows.ts';
import { compileStepScores, notNumbers } from './passes.ts';

/** A path in token ids. */
interface TokenPath {
  readonly prompt: readonly number[];
  readonly steps: readonly (readonly number[])[];
}

/** Scores paths; its one program is made when first needed and released on dispose. */
export class StepScorer implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #weights: ModelWeights;
  readonly #ropes: RopeTables;
  #program: Program | undefined;

  constructor(engine: Engine, weights: ModelWeights) {
    this.#engine = engine;
    this.#weights = weights;
    this.#ropes = new RopeTables(engine, weights.decoder.config);
  }

  /**
   * P(step correct) of each step of each path; paths of one prompt share its computation.
   * @throws SipfError 'bad-input' naming the path (by index) that has an empty step or is longer than the model's context; 'diverged' on NaN.
   */
  async score(
    paths: readonly TokenPath[],
    options: PackOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<number[][]> {
    for (const [n, path] of paths.entries()) checkPath(path, n, this.#weights.decoder.config.contextLength);
    const items = paths.map(({ prompt, steps }) => ({ prefix: prompt, continuation: steps.flat() }));
    return readPacked(
      items,
      (item) => stepEnds(paths[item] as TokenPath),
      (pass) => this.#run(pass),
      options,
    );
  }

  async #run({ shape, rows, at }: TokenPass): Promise<Float32Array> {
    this.#program ??= await compileStepScores(this.#engine, this.#weights);
    const result = await this.#program.run({
      ...passInputs(shape, rows),
      ...(await this.#ropes.upTo(shape.seq)),
      at: vector(at),
    });
    const probabilities = result.floats('probabilities');
    if (probabilities.every(Number.isFinite)) return probabilities;
    throw await notNumbers('the process reward model', this.#weights);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program?.[Symbol.asyncDispose]();
    this.#program = undefined;
    this.#ropes[Symbol.dispose]();
  }
}

/** Places of the steps' last tokens in prompt and steps joined. */
function stepEnds({ prompt, steps }: TokenPath): number[] {
  let end = prompt.length - 1;
  return steps.map((step) => (end += step.length));
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
