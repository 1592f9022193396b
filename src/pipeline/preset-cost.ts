// A preset's configuration -> what a run of it is expected to cost, without model or data.
import { hubModelSize } from '../config/presets/hub-models.ts';
import type { Config } from '../config/schema.ts';
import { sum } from '../statistics/intervals.ts';
import { estimate, type RunEstimate } from './estimate.ts';
import type { Typical } from './round-costs.ts';

type ModelInitSizes = Readonly<Record<'hidden_size' | 'intermediate_size' | 'num_hidden_layers', number>>;
type Counts = Readonly<Partial<Record<'train' | 'valid' | 'test', number>>>;

/** Questions of each split. */
const COUNTS: Readonly<Record<string, Counts>> = {
  gsm8k: { train: 6965, valid: 508, test: 1319 },
  svamp: { test: 1000 },
  multiarith: { test: 600 },
  'mmlu-math': { test: 354 },
  mbpp: { train: 374, valid: 90, test: 500 },
  humaneval: { test: 164 },
  mini: { train: 4000, valid: 1000, test: 4000 },
  'mini-code': { train: 4000, valid: 500, test: 1500 },
};

/** What texts are like: GSM8K and MBPP in the tokens of SmolLM2. */
const TEXTS: Readonly<Record<string, Partial<Typical>>> = {
  gsm8k: { promptTokens: 66, pathTokens: 135, stepsPerPath: 3.6 },
  mbpp: { promptTokens: 129, pathTokens: 62, stepsPerPath: 3.9 },
};

/**
 * The estimate of a run; null where nothing says how large its model or its data are. `sizedFor`: a model of the hub, where the configuration names none.
 */
export function presetCost(config: Config, sizedFor: string | null): RunEstimate | null {
  const { task, evaluate, engine, simulator, verifier } = config;
  const policy = policySize(config, sizedFor);
  const counts = COUNTS[task.name];
  if (policy === null || counts?.train === undefined) return null;
  const countOf = (sets: Config['evaluate']['sets']) =>
    sum(sets.map(({ name, split, limit }) => Math.min(limit ?? Infinity, COUNTS[name ?? task.name]?.[split] ?? 0)));
  // Generated tasks make as many as they are asked for.
  const trainQuestions = task.limit ?? counts.train;
  const sizeOf = (helper: Config['simulator']) =>
    helper === 'self' ? 1 : (hubModelSize(helper.model, engine.quantisation)?.parameters ?? 0) / policy.parameters;
  return estimate(config, policy, undefined, {
    ...TEXTS[task.name],
    trainQuestions,
    solvedQuestions: Math.min(task.solutions ?? trainQuestions, trainQuestions),
    evalQuestions: countOf(evaluate.sets),
    finalQuestions: countOf(evaluate.final),
    simulatorSize: sizeOf(simulator),
    verifierSize: sizeOf(verifier),
  });
}

function policySize({ model, engine }: Config, sizedFor: string | null) {
  if (typeof model === 'string') return hubModelSize(model === '' ? (sizedFor ?? '') : model, engine.quantisation);
  return initSize(model.init);
}

/** Of a model that the run makes: its layers alone, which are nearly all of it. */
export function initSize({ hidden_size: width, intermediate_size: inner, num_hidden_layers: layers }: ModelInitSizes) {
  const parameters = layers * (4 * width ** 2 + 3 * width * inner);
  return { parameters, weightBytes: 4 * parameters };
}
