// A run's questions, prompts and settings -> an error for what would end it later.
import type { ModelDescription, Policy } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { SipfError, shown } from '../errors.ts';
import { isForCalibration, isHeldOut, shareHeldOut } from '../hashing.ts';
import { goldRows } from '../method/align-rows.ts';
import { requireChecks } from '../method/chosen-gate.ts';
import type { ReadContext } from '../method/context-length.ts';
import { METHODS, methodIn, needs, roundsOf, scorerOf } from '../method/methods.ts';
import { probeLayers, stateReader } from '../method/probe.ts';
import type { BuildPrompt } from '../method/prompt.ts';
import { chooseQuestions } from '../method/sample.ts';
import { requireScorerSignals } from '../method/scorers.ts';
import { requireSignal, requireTexts } from '../method/task-signals.ts';
import { textsOf } from '../method/train-options.ts';
import type { Question } from '../records.ts';
import type { StageName } from '../run/marker.ts';
import type { Task } from '../task.ts';
import { CONTROL, stageOf } from './workspace.ts';

/** Texts whose tokens are counted in one call. */
const BATCH = 256;

/** @throws SipfError 'unsupported' where scores, labels or the gate of pairs read what a task has not: true steps, equations or answers that are text. */
export function checkSignals({ method: name, sampling, score, labels, pairs, sft }: Config, task: Task): void {
  const method = METHODS[name];
  if (method.samples && sampling.hint === true) requireSignal(task, 'answer', 'sampling.hint true');
  if (method.samples && sampling.calculator === true) requireTexts(task, 'sampling.calculator true');
  if (method.samples && labels.calculator === true) requireTexts(task, 'labels.calculator true');
  if (sft.calculatorLoss === false) requireTexts(task, 'sft.calculatorLoss false');
  const scorer = scorerOf(method, score.scorer);
  if (scorer !== null) requireScorerSignals(scorer, task);
  if (needs(scorer).labels && labels.exactChecks) requireSignal(task, 'equations', 'labels.exactChecks true');
  if (needs(scorer).labels && labels.mode === 'gold-likelihood')
    requireSignal(task, 'answer', 'labels.mode gold-likelihood');
  if (method.align !== 'gold') requireChecks(pairs.chosenGate, task);
}

/** @throws SipfError 'bad-config' where all weights of a base that stays frozen are to be trained. */
export function checkQuantised(config: Config): void {
  const { quantisation: own, trainer } = config.engine;
  const [key, quantisation] =
    trainer === null ? ['engine.quantisation', own] : ['engine.trainer.quantisation', trainer.quantisation];
  if (quantisation === null) return;
  const full = trainingSections(config).find((section) => config[section].train.lora === null);
  if (full === undefined) return;
  throw new SipfError(
    'bad-config',
    `Expected LoRA in ${full}.train.lora for ${key} ${quantisation}, got null: training of all weights. Set ${full}.train.lora, or ${key} null.`,
  );
}

/** @throws SipfError 'bad-config' where a server is to load the adapters of a stage that trains all weights. */
export function checkAdapters(config: Config): void {
  const samplers = [config.engine.sampler ?? []].flat();
  if (samplers.every(({ others }) => others !== 'adapter')) return;
  const full = trainingSections(config).find((section) => section !== 'prm' && config[section].train.lora === null);
  if (full === undefined) return;
  throw new SipfError(
    'bad-config',
    `Expected LoRA in ${full}.train.lora for engine.sampler.others adapter, got null: training of all weights, which no adapter holds. Set ${full}.train.lora, or engine.sampler.others local.`,
  );
}

/** @throws SipfError 'bad-config' where a server cannot have the process reward models that the rounds train. */
export function checkScorer(config: Config): void {
  const { scorer } = config.engine;
  if (scorer === null || !trainingSections(config).includes('prm')) return;
  if (scorer.launch === null)
    throw new SipfError(
      'bad-config',
      `Expected engine.scorer.launch, got the server ${scorer.url}, which has one process reward model: each round trains another. Give the command that starts a server, or set engine.scorer null.`,
    );
  if (config.prm.headBias === false || !scorer.launch.some((word) => word.includes('{model}'))) return;
  throw new SipfError(
    'bad-config',
    `Expected prm.headBias false for {model} in engine.scorer.launch, got ${config.prm.headBias ?? 'true'}: an output head has no bias. Set prm.headBias false.`,
  );
}

/** The trainings that a run ends with: where they are done, so is every other. None: nothing trains. */
export function lastTrainings(config: Config): readonly StageName[] {
  const { method, iterations, evaluate } = config;
  if (trainingSections(config).length === 0) return [];
  const rounds = roundsOf(METHODS[method], iterations);
  const policy = stageOf(rounds, '6-policy');
  const hasControl = rounds > 0 && evaluate.control !== 'none' && evaluate.final.length > 0;
  return hasControl ? [policy, CONTROL] : [policy];
}

function trainingSections({ method: name, iterations, sft, score }: Config): ('sft' | 'prm' | 'align')[] {
  const method = METHODS[name];
  const warmUp = sft.enabled ? (['sft'] as const) : [];
  if (roundsOf(method, iterations) === 0) return [...warmUp];
  const prm = needs(scorerOf(method, score.scorer)).prm ? (['prm'] as const) : [];
  return [...warmUp, ...prm, 'align'];
}

/** @throws SipfError 'bad-config' where samples are to be drawn of no question. */
export function checkSamples({ evaluate: { samples, final } }: Config): void {
  if (samples === 0 || final.length > 0) return;
  throw new SipfError(
    'bad-config',
    `Expected a question set in evaluate.final for evaluate.samples ${samples}, got none. Name one, or leave evaluate.samples out.`,
  );
}

/**
 * @throws SipfError 'bad-config' where a section is to adapt a layer that its model has not.
 */
export function checkLoraTargets(
  section: 'sft' | 'prm' | 'align',
  config: Config,
  { linearLayers }: Pick<ModelDescription, 'linearLayers'>,
): void {
  const targets = config[section].train.lora?.targets ?? 'all-linear';
  if (targets === 'all-linear') return;
  const unknown = targets.find((target) => !linearLayers.includes(target.slice(target.lastIndexOf('.') + 1)));
  if (unknown === undefined) return;
  throw new SipfError(
    'bad-config',
    `Expected layers of the model (${linearLayers.join(', ')}) in ${section}.train.lora.targets, got ${shown(unknown)}. Change that value.`,
  );
}

/** The questions of each round, in the rounds' order; none where the method draws no paths. */
export function questionsOfRounds(
  { method: name, iterations, sampling, seed }: Config,
  asked: readonly Question[],
): readonly (readonly Question[])[] {
  const method = METHODS[name];
  const rounds = method.samples ? roundsOf(method, iterations) : 0;
  return Array.from({ length: rounds }, (_, i) => chooseQuestions(asked, sampling, seed, i + 1));
}

/** @throws SipfError 'nothing-left' where no label of the first round's questions may train the PRM, or the probe. */
export function checkPrmQuestions(config: Config, questions: readonly Question[]): void {
  const { prm, probe, calibration } = needs(scorerOf(methodIn(METHODS[config.method], 1), config.score.scorer));
  const isSplit = probe || calibration;
  const heldOut = shareHeldOut(
    questions.map(({ id }) => id),
    config.labels.heldOut,
  );
  const trains = ({ id }: Question) => !isHeldOut(id, heldOut) && !(isSplit && isForCalibration(id, heldOut));
  if (!(prm || probe) || questions.length === 0 || questions.some(trains)) return;
  throw new SipfError(
    'nothing-left',
    `Expected train questions whose labels train the ${probe ? 'probe' : 'PRM'}, got none: labels.heldOut ${config.labels.heldOut} keeps all ${questions.length} of the first round apart${isSplit ? ` (${config.score.scorer}: twice that share)` : ''}. Lower labels.heldOut, or give more questions.`,
  );
}

/**
 * Looks at the model that a probe is to read, where the run has one.
 * @throws SipfError 'unsupported' where its engine tells no hidden states, 'bad-config' where it has not the layers.
 */
export async function checkProbe({ method, score, probe }: Config, open: () => Promise<Policy>): Promise<void> {
  if (!needs(scorerOf(METHODS[method], score.scorer)).probe) return;
  await using model = await open();
  probeLayers(probe, stateReader(model).layers);
}

export interface PromptedQuestions {
  readonly questions: readonly Question[];
  readonly prompt: BuildPrompt;
}

/** Each of `items` with the tokens of its text. */
async function* counted<T extends { readonly text: string }>(
  model: Pick<Policy, 'countTokens'>,
  items: readonly T[],
): AsyncGenerator<readonly [T, number]> {
  for (let at = 0; at < items.length; at += BATCH) {
    const some = items.slice(at, at + BATCH);
    const counts = await model.countTokens(some.map(({ text }) => text));
    for (const [i, item] of some.entries()) yield [item, counts[i] ?? 0];
  }
}

/** @throws SipfError 'bad-input' where a prompt leaves no room in the model's context; with `which: any`, where all do. It names a question. */
export async function checkContexts(
  model: Pick<Policy, 'contextLength' | 'countTokens'>,
  prompted: readonly PromptedQuestions[],
  which: 'all' | 'any',
): Promise<void> {
  const { contextLength } = model;
  let longest: { question: Question; tokens: number } | null = null;
  for (const { questions, prompt } of prompted) {
    const long: { readonly question: Question; readonly text: string }[] = [];
    for (const question of questions) {
      const text = prompt(question);
      // A token is a byte at least: most prompts are short enough to need no tokenizer.
      if (Buffer.byteLength(text) >= contextLength) long.push({ question, text });
      else if (which === 'any') return;
    }
    for await (const [{ question }, tokens] of counted(model, long)) {
      if (tokens < contextLength && which === 'any') return;
      if (tokens >= contextLength && tokens > (longest?.tokens ?? 0)) longest = { question, tokens };
    }
  }
  if (longest === null) return;
  throw new SipfError(
    'bad-input',
    `Expected prompts of fewer than ${contextLength} tokens (the model's context length), got ${longest.tokens} for the question ${longest.question.id}. Shorten or leave out such questions, or show fewer examples (prompt.shots).`,
  );
}

/** @throws SipfError 'nothing-left' where every worked solution is longer than a stage that trains on nothing else allows. */
export async function checkRowLengths(
  model: Pick<Policy, 'countTokens'>,
  { sft, align, evaluate, method, iterations }: Config,
  questions: readonly Question[],
  context: ReadContext,
): Promise<void> {
  const trainsControl = evaluate.control === 'continued-sft' && evaluate.final.length > 0;
  const later = roundsOf(METHODS[method], iterations) > 0 && (METHODS[method].align === 'gold' || trainsControl);
  const limits = [
    ...(sft.enabled ? [['sft.train.maxLength', sft.train.maxLength] as const] : []),
    ...(later ? [['align.train.maxLength', align.train.maxLength] as const] : []),
  ].sort(([, a], [, b]) => a - b);
  const [strictest] = limits;
  if (strictest === undefined) return;
  const [name, limit] = strictest;
  const rows = goldRows(questions, null, '', context).map((row) => ({ text: textsOf(row).join('') }));
  let shortest = Number.POSITIVE_INFINITY;
  for await (const [, tokens] of counted(model, rows)) {
    shortest = Math.min(shortest, tokens);
    if (shortest <= limit) return;
  }
  throw new SipfError(
    'nothing-left',
    `Expected worked solutions of at most ${limit} tokens with their prompts, got ${rows.length} longer ones and no other (the shortest: ${shortest}). Raise ${name}.`,
  );
}
