// Prompts and steps as token ids -> P(step correct) at each step's last token.

import { setImmediate as nextEvents } from 'node:timers/promises';
import type { Engine } from '../engine/runtime/session.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { passInputs, RopeTables } from '../models/pass-inputs.ts';
import { whyNotNumbers } from '../models/weights/not-numbers.ts';
import { type PackOptions, packRows } from './packed-rows.ts';
import { compileStepScores, type ModelProgram } from './passes.ts';

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
  #program: ModelProgram | undefined;

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
    { signal, ...options }: PackOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<number[][]> {
    for (const [n, path] of paths.entries()) checkPath(path, n, this.#weights.decoder.config.contextLength);
    const items = paths.map(({ prompt, steps }) => ({ prefix: prompt, continuation: steps.flat() }));
    const scores: number[][] = paths.map(() => []);
    for (const { shape, rows, items: placed } of packRows(items, options)) {
      throwIfAborted(signal);
      const reads = placed.flatMap(({ item, place }) =>
        stepEnds(paths[item] as TokenPath).map((end) => ({ item, place: BigInt(place(end)) })),
      );
      if (reads.length === 0) continue;
      this.#program ??= await compileStepScores(this.#engine, this.#weights);
      const at = BigInt64Array.from(reads, ({ place }) => place);
      const result = await this.#program.run({
        ...passInputs(shape, rows),
        ...(await this.#ropes.upTo(shape.seq)),
        at: { data: at, shape: [at.length] },
      });
      const probabilities = result.floats('probabilities');
      if (!probabilities.every(Number.isFinite)) throw await this.#notANumber();
      for (const [n, { item }] of reads.entries()) scores[item]?.push(probabilities[n] as number);
      await nextEvents();
    }
    return scores;
  }

  async #notANumber(): Promise<SipfError> {
    const why = await whyNotNumbers(this.#weights.values.slices, this.#weights.decoder.config);
    return new SipfError('diverged', `Expected numbers from the process reward model, got NaN or infinity. ${why}`);
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
