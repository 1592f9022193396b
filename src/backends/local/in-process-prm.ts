// A model with a PRM's head in this process -> a ProcessRewardModel.

import type { CallOptions, ProcessRewardModel, StepPath } from '../../backend.ts';
import type { Engine } from '../../engine/runtime/session.ts';
import { SipfError, sipfCommand } from '../../errors.ts';
import { ContextEncoder } from '../../inference/context.ts';
import { StepScorer } from '../../inference/step-scores.ts';
import { PRM_HEAD } from '../../models/architectures/prm-head.ts';
import { type ModelWeights, type OpenModel, openModel, openWeights } from '../../models/open-model.ts';
import type { ModelSource } from '../../records.ts';
import { CallQueue } from './call-queue.ts';
import type { InProcessOptions } from './in-process-policy.ts';

/** @throws SipfError where files are missing, damaged or do not fit, or hold no process reward model's head. */
export async function openInProcessPrm(
  engine: Engine,
  source: ModelSource,
  { cache }: InProcessOptions = {},
): Promise<ProcessRewardModel> {
  const model = await openModel(source, { cache });
  checkHead(model);
  return new InProcessPrm(engine, model, await openWeights(engine, model, { cache }));
}

function checkHead({ source: { model, adapter }, files, adapter: factors, decoder }: OpenModel): void {
  const name = `${PRM_HEAD}.weight`;
  const shape = factors?.extra.get(name)?.shape ?? files.shapes.get(name);
  if (shape?.length === 2 && shape[0] === 2) return;
  throw new SipfError(
    'bad-input',
    `Expected a process reward model (${name} [2, ${decoder.config.hidden}]) in ${adapter ?? model}, got ${shape ? `[${shape}]` : 'no such tensor'}. Train one with \`${sipfCommand('train-prm')}\`.`,
  );
}

class InProcessPrm implements ProcessRewardModel {
  readonly hash: string;
  readonly contextLength: number;
  readonly warnings: readonly string[];
  readonly #opened: OpenModel;
  readonly #weights: ModelWeights;
  readonly #scorer: StepScorer;
  readonly #calls = new CallQueue();

  constructor(engine: Engine, opened: OpenModel, weights: ModelWeights) {
    this.hash = opened.hash;
    this.contextLength = opened.decoder.config.contextLength;
    this.warnings = opened.warnings;
    this.#opened = opened;
    this.#weights = weights;
    this.#scorer = new StepScorer(engine, weights);
  }

  async score(paths: readonly StepPath[], { signal }: CallOptions = {}): Promise<number[][]> {
    const encoder = new ContextEncoder(this.#opened.tokenizer, this.#opened.decoder.config.vocab);
    const tokenPaths = paths.map(({ prompt, steps }) => ({
      prompt: encoder.piece(prompt, true),
      steps: steps.map((step) => encoder.piece(step, false)),
    }));
    return this.#calls.take(() => this.#scorer.score(tokenPaths, { signal }));
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return texts.map((text) => this.#opened.tokenizer.encodeContinuation(text).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close(async () => {
      await this.#scorer[Symbol.asyncDispose]();
      await this.#weights[Symbol.asyncDispose]();
    });
  }
}
