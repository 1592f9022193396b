// A model in this process as a ProcessRewardModel: a token classifier's folder, or a policy with a PRM's adapter. Leaves the work to inference/.

import type { CallOptions, ModelSource, ProcessRewardModel, StepPath } from '../../backend.ts';
import type { Engine } from '../../engine/runtime/session.ts';
import { SipfError, sipfCommand } from '../../errors.ts';
import { ContextEncoder } from '../../inference/context.ts';
import { StepScorer } from '../../inference/step-scores.ts';
import { PRM_HEAD } from '../../models/architectures/prm-head.ts';
import { type OpenModel, openModel } from '../../models/open-model.ts';
import type { InProcessOptions } from './in-process-policy.ts';
import { InTurn } from './in-turn.ts';

/** @throws SipfError where files are missing, damaged or do not fit, or hold no process reward model's head. */
export async function openInProcessPrm(
  engine: Engine,
  source: ModelSource,
  { cache }: InProcessOptions = {},
): Promise<ProcessRewardModel> {
  const opened = await openModel(engine, source, { cache });
  try {
    checkHead(source, opened);
  } catch (thrown) {
    await opened[Symbol.asyncDispose]();
    throw thrown;
  }
  return new InProcessPrm(engine, opened);
}

function checkHead({ model, adapter }: ModelSource, { weights }: OpenModel): void {
  const shape = weights.held.slices.get(`${PRM_HEAD}.weight`)?.shape;
  if (shape?.length === 2 && shape[0] === 2) return;
  throw new SipfError(
    'bad-input',
    `Expected a process reward model (${PRM_HEAD}.weight [2, ${weights.config.hidden}]) in ${adapter ?? model}, got ${shape ? `[${shape}]` : 'no such tensor'}. Train one with \`${sipfCommand('train-prm')}\`.`,
  );
}

class InProcessPrm implements ProcessRewardModel {
  readonly hash: string;
  readonly contextLength: number;
  readonly warnings: readonly string[];
  readonly #opened: OpenModel;
  readonly #scorer: StepScorer;
  readonly #turns = new InTurn();

  constructor(engine: Engine, opened: OpenModel) {
    this.hash = opened.hash;
    this.contextLength = opened.weights.config.contextLength;
    this.warnings = opened.warnings;
    this.#opened = opened;
    this.#scorer = new StepScorer(engine, opened.weights);
  }

  async score(paths: readonly StepPath[], { signal }: CallOptions = {}): Promise<number[][]> {
    const encoder = new ContextEncoder(this.#opened.tokenizer, this.#opened.weights.config.vocab);
    const tokenPaths = paths.map(({ prompt, steps }) => ({
      prompt: encoder.piece(prompt, true),
      steps: steps.map((step) => encoder.piece(step, false)),
    }));
    return this.#turns.take(() => this.#scorer.score(tokenPaths, { signal }));
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return texts.map((text) => this.#opened.tokenizer.encodeContinuation(text).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.close(async () => {
      await this.#scorer[Symbol.asyncDispose]();
      await this.#opened[Symbol.asyncDispose]();
    });
  }
}
