// A model, and paths as token ids -> hidden states of chosen layers at each step's last token.
import type { Engine } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { compileStepStates } from './passes.ts';
import { type ReadOptions, StepReader, type TokenPath } from './step-reader.ts';

interface Opened {
  readonly layers: string;
  readonly reader: StepReader;
}

/** Reads states with one program, which is made anew where other layers are asked for. */
export class StepStates implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #weights: ModelWeights;
  #opened: Opened | undefined;

  constructor(engine: Engine, weights: ModelWeights) {
    this.#engine = engine;
    this.#weights = weights;
  }

  /**
   * `[path][step]` the states of `layers` in that order, `[layers · hidden]`; all layers are read in one pass.
   * @throws SipfError 'bad-input' where the model has no such layer, and as `StepReader.read` does.
   */
  async read(paths: readonly TokenPath[], layers: readonly number[], options: ReadOptions): Promise<Float32Array[][]> {
    checkLayers(layers, this.#weights.decoder.config.layers);
    return (await this.#readerOf(layers)).read(paths, options);
  }

  async #readerOf(layers: readonly number[]): Promise<StepReader> {
    const key = layers.join();
    if (this.#opened?.layers === key) return this.#opened.reader;
    await this[Symbol.asyncDispose]();
    const reader = new StepReader(this.#engine, this.#weights, {
      name: 'the model',
      compile: (engine, weights) => compileStepStates(engine, weights, layers),
    });
    this.#opened = { layers: key, reader };
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened?.reader[Symbol.asyncDispose]();
    this.#opened = undefined;
  }
}

function checkLayers(layers: readonly number[], count: number): void {
  const bad = layers.find((layer) => !Number.isInteger(layer) || layer < 1 || layer > count);
  if (bad === undefined && layers.length > 0) return;
  throw new SipfError(
    'bad-input',
    `Expected layers from 1 to ${count} to read hidden states of, got ${bad ?? 'none'}. Name layers that the model has.`,
  );
}
