// A process reward model, and paths as token ids -> P(step correct) at each step's last token.
import type { Engine } from '../engine/runtime/session.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { compileStepScores } from './passes.ts';
import { type ReadOptions, StepReader, type TokenPath } from './step-reader.ts';

/** Scores paths with one program. */
export class StepScorer implements AsyncDisposable {
  readonly #reader: StepReader;

  constructor(engine: Engine, weights: ModelWeights) {
    this.#reader = new StepReader(engine, weights, { name: 'the process reward model', compile: compileStepScores });
  }

  /**
   * P(step correct) of each step of each path.
   * @throws SipfError as `StepReader.read` does.
   */
  async score(paths: readonly TokenPath[], options: ReadOptions = {}): Promise<number[][]> {
    const read = await this.#reader.read(paths, options);
    return read.map((steps) => steps.flatMap((values) => [...values]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reader[Symbol.asyncDispose]();
  }
}
