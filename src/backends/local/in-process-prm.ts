// A model with a PRM's head in this process -> a ProcessRewardModel.
import type { ProcessRewardModel } from '../../backend.ts';
import type { Engine } from '../../engine/runtime/session.ts';
import { SipfError, sipfCommand } from '../../errors.ts';
import { encodePaths, joinPaths } from '../../inference/step-reader.ts';
import { StepScorer } from '../../inference/step-scores.ts';
import { PRM_HEAD } from '../../models/architectures/prm-head.ts';
import { type OpenModel, openModel, openWeights } from '../../models/open-model.ts';
import type { ModelSource } from '../../records.ts';
import { CallQueue } from './call-queue.ts';
import { aboutModel, type ModelOptions } from './model-options.ts';

/** A scorer whose weights are there. */
interface Loaded extends AsyncDisposable {
  readonly scorer: StepScorer;
}

/**
 * Weights are converted, and an adapter is merged in, at the first score: a model that a server has needs its tokenizer alone.
 * @throws SipfError where files are missing, damaged or do not fit, or hold no process reward model's head.
 */
export async function openInProcessPrm(
  engine: Engine,
  source: ModelSource,
  { cache, quantisation }: ModelOptions = {},
): Promise<ProcessRewardModel> {
  const opened = await openModel(source, { cache, quantisation });
  checkHead(opened);
  const { tokenizer, decoder } = opened;
  const { vocab, contextLength } = decoder.config;
  const calls = new CallQueue();
  let loading: Promise<Loaded> | undefined;
  const load = () => (loading ??= loadScorer(engine, opened, cache));
  return {
    ...aboutModel(opened),
    async score(paths, options = {}) {
      const read = encodePaths(paths, tokenizer, vocab);
      return calls.take(async () => (await load()).scorer.score(read, options));
    },
    encodePaths: async (paths) => joinPaths(encodePaths(paths, tokenizer, vocab), contextLength),
    [Symbol.asyncDispose]: () =>
      calls.close(async () => {
        // One that failed has told those that asked for it.
        const loaded = await loading?.catch(() => undefined);
        await loaded?.[Symbol.asyncDispose]();
      }),
  };
}

async function loadScorer(engine: Engine, opened: OpenModel, cache: string | undefined): Promise<Loaded> {
  const weights = await openWeights(engine, opened, { cache });
  const scorer = new StepScorer(engine, weights);
  return {
    scorer,
    async [Symbol.asyncDispose]() {
      await scorer[Symbol.asyncDispose]();
      await weights[Symbol.asyncDispose]();
    },
  };
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
