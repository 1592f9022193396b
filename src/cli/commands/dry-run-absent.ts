// A run whose models are still on the hub -> an estimate of their known sizes and its questions.
import type { ModelDescription } from '../../backend.ts';
import { isToDownload } from '../../backends/local/downloads.ts';
import { hubModelSize } from '../../config/presets/hub-models.ts';
import type { Config } from '../../config/schema.ts';
import { withoutShots } from '../../method/prompt.ts';
import { estimate, type RunEstimate } from '../../pipeline/estimate.ts';
import { initSize } from '../../pipeline/preset-cost.ts';
import { promptOf, shotsOf } from '../../pipeline/prompts.ts';
import type { Typical } from '../../pipeline/round-costs.ts';
import { type StartQuestions, startQuestions } from '../../pipeline/start.ts';
import type { Question } from '../../records.ts';
import { mean } from '../../statistics/intervals.ts';
import type { Shot } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import type { DryRunArgs } from './dry-run.ts';
import { questionCounts, referencesOf } from './dry-run-figures.ts';

/** Characters of a token: GSM8K has 3.8 and 2.3 in SmolLM2's, MBPP 2.5 and 2.7. */
const IN_QUESTIONS = 3.2;
const IN_SOLUTIONS = 2.5;
const MOST_TEXTS = 256;

/** Models of the run that are on the hub and not here, where their sizes are known; none where another one must be downloaded anyway. */
export async function absentModels(config: Config): Promise<readonly string[]> {
  if (config.engine.module !== null) return [];
  const named = [...new Set(modelsOf(config))];
  const isAbsent = await Promise.all(named.map(isToDownload));
  const absent = named.filter((_, i) => isAbsent[i]);
  return absent.every((model) => hubModelSize(model, null) !== null) ? absent : [];
}

/** The models of a run that are given: the policy's, and helpers. */
function modelsOf({ model, simulator, verifier }: Config): string[] {
  const helpers = [simulator, verifier].flatMap((helper) => (helper === 'self' ? [] : [helper.model]));
  return [...(typeof model === 'string' ? [model] : []), ...helpers];
}

/**
 * An estimate of a run whose models are not all here. Questions and the lengths of their texts are the data's.
 * @throws SipfError of the run's start, as far as it needs no model.
 */
export async function estimateAbsent(args: DryRunArgs, { signal, log: say }: Terminal): Promise<RunEstimate> {
  const { config, out, fromRun } = args;
  await using start = await startQuestions({ config, out, fromRun, signal, say });
  const shots = await shotsOf(start, start.train);
  const asked = withoutShots(start.train, shots);
  const { policy, relative } = await sizesOf(args);
  const typical = { ...questionCounts(start, asked), ...(await lengthsOf(start, asked, shots)), ...relative };
  return estimate(config, policy, undefined, typical);
}

type Source = { readonly model: string; readonly adapter: string | null };
type Size = Pick<ModelDescription, 'parameters' | 'weightBytes'>;

async function sizesOf({ config, backend }: DryRunArgs) {
  const { simulator, verifier, engine } = config;
  const sizeOf = async ({ model, adapter }: Source): Promise<Size> => {
    const known = (await isToDownload(model)) ? hubModelSize(model, engine.quantisation) : null;
    return known ?? (await backend.describe({ model, adapter: adapter ?? undefined }));
  };
  const { model, adapter } = config;
  const policy = typeof model === 'string' ? await sizeOf({ model, adapter }) : initSize(model.init);
  const sizeBeside = async (helper: Config['simulator']) =>
    helper === 'self' ? 1 : (await sizeOf(helper)).parameters / policy.parameters;
  return {
    policy,
    relative: { simulatorSize: await sizeBeside(simulator), verifierSize: await sizeBeside(verifier) },
  };
}

/** Prompts as a base model gets them: a chat template is the model's. */
async function lengthsOf(
  { config, task }: StartQuestions,
  asked: readonly Question[],
  shots: readonly Shot[],
): Promise<Partial<Typical>> {
  const plain = { ...config, prompt: { ...config.prompt, style: 'plain' as const } };
  const prompt = await promptOf({ config: plain, task }, shots, () => Promise.reject(new Error('No model is here.')));
  const some = asked.slice(0, MOST_TEXTS);
  const lengthOf = (texts: readonly string[]) => mean(texts.map(({ length }) => length));
  const solutions = referencesOf(some, task);
  const ofPaths = {
    pathTokens: lengthOf(solutions.map(({ text }) => text)) / IN_SOLUTIONS,
    stepsPerPath: mean(solutions.map(({ question: { solution = [] } }) => solution.length)),
  };
  return { promptTokens: lengthOf(some.map(prompt)) / IN_QUESTIONS, ...(solutions.length === 0 ? {} : ofPaths) };
}
