// A training job -> a trained adapter or model on disk, resumed where there is a checkpoint.
import type { TrainJob, TrainResult, TrainStep } from '../backend.ts';
import type { Engine } from '../engine/runtime/session.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { checkpointHash } from '../hashing.ts';
import { adapterHash } from '../models/files/adapter-files.ts';
import { openModelFiles } from '../models/files/model-files.ts';
import { type OpenModel, openBase, openModel } from '../models/open-model.ts';
import { feedingFor } from '../models/weights/graph-weights.ts';
import { mergeWeights } from '../models/weights/merged-weights.ts';
import type { Quantisation } from '../models/weights/quantisers/quantisers.ts';
import type { Figures, Loss } from '../objectives/objective.ts';
import { OBJECTIVES } from '../objectives/objectives.ts';
import { countSteps, type Pass, packStep, stepExamples } from './batches.ts';
import { CheckpointFiles } from './checkpoint.ts';
import { positionBudget } from './cost.ts';
import { type TokenExample, tokenise, tokensOf, withoutResults } from './examples.ts';
import type { FlatState } from './flat-weights.ts';
import { fullTrainee } from './full-weights.ts';
import { loraTrainee } from './lora-weights.ts';
import { packing } from './packing.ts';
import { placeStep } from './placed.ts';
import { TrainingProgram } from './program.ts';
import { learningRate } from './schedule.ts';
import type { TrainingState } from './state.ts';
import { DeviceState } from './states/device.ts';
import { HostState } from './states/host.ts';
import type { NamedValues, Trainee } from './trainee.ts';
import { checkedResult, diverged, jobHash, resultOf, unchanged } from './training-job.ts';

export interface TrainArgs {
  readonly onStep?: ((step: TrainStep) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Cache folder of converted weights. */
  readonly cache?: string | undefined;
  /** How the base's frozen matrices are stored. */
  readonly quantisation?: Quantisation | null | undefined;
}

/**
 * Trains and writes `job.out`. Called again it continues from its last checkpoint, or returns the finished result; both give the same bytes.
 * @throws SipfError 'aborted' (checkpoint kept), 'diverged' (batch kept), 'no-change', 'nothing-left', or what is wrong with the job.
 */
export async function train(engine: Engine, job: TrainJob, args: TrainArgs = {}): Promise<TrainResult> {
  const model = await openModel(job.source, args);
  if (model.quantisation !== null && job.options.lora === null) throw onlyLora(model.quantisation);
  const files = new CheckpointFiles(job.out, jobHash(job, model.hash));
  const finished = await files.finished();
  if (finished) {
    await files.clear();
    return resultOf(job, model.source, checkedResult(finished, job, await writtenHash(job, model, args)));
  }
  const { objective, maxLength, calculatorLoss = true } = job.options;
  const limit = Math.min(maxLength, model.decoder.config.contextLength);
  const { kept, dropped } = tokenise(job.examples, objective.kind, model.tokenizer, limit);
  await using trainee = await traineeOf(engine, job, model, args);
  const examples = calculatorLoss ? kept : withoutResults(kept, model.tokenizer);
  const steps = await optimise({ engine, job, args, model, files, examples, trainee });
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const result = { steps, dropped, tokens, hash: await writtenHash(job, model, args) };
  await files.finish(result);
  await files.clear();
  return resultOf(job, model.source, result);
}

function onlyLora(quantisation: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected lora with engine.quantisation ${quantisation}, whose weights stay frozen, got lora null: training of all weights. Set lora of this training, or engine.quantisation null.`,
  );
}

/** What is trained; disposing deletes what was merged for it. */
async function traineeOf(engine: Engine, job: TrainJob, model: OpenModel, args: TrainArgs): Promise<Trainee> {
  const { lora, objective } = job.options;
  const traineeArgs = { engine, model, objective, options: job.options };
  if (lora !== null) return loraTrainee(traineeArgs, lora, await openBase(engine, model, args));
  const feeding = feedingFor(engine.provider, await model.files.weights());
  const merged = await mergeWeights(engine, model, args);
  return {
    ...fullTrainee({ ...traineeArgs, feeding }, merged.slices, args),
    [Symbol.asyncDispose]: () => merged[Symbol.asyncDispose](),
  };
}

async function writtenHash({ options, out }: TrainJob, model: OpenModel, args: TrainArgs): Promise<string> {
  if (options.lora === null) return (await openModelFiles(out, args)).hash;
  return checkpointHash(model.baseHash, await adapterHash(out, args));
}

/** A training that is not done. */
interface Training {
  readonly engine: Engine;
  readonly job: TrainJob;
  readonly args: TrainArgs;
  readonly model: OpenModel;
  readonly files: CheckpointFiles;
  readonly examples: readonly TokenExample[];
  readonly trainee: Trainee;
}

/** Runs all steps that are not done yet, and writes the weights. */
async function optimise(training: Training): Promise<TrainStep[]> {
  const { engine, job, args, model, files, examples, trainee } = training;
  const { options } = job;
  const { decoder } = model;
  await files.begin();
  const loss = OBJECTIVES[options.objective.kind].open(options.objective);
  const dropout = (options.lora?.dropout ?? 0) > 0;
  const limits = {
    maxPositions: positionBudget(decoder.config),
    maxActivationBytes: options.activationsGiB * 2 ** 30,
  };
  await using program = await TrainingProgram.compile({ engine, decoder, trainee, loss, dropout, ...limits });
  const { layout } = program;
  const loaded = await files.load(layout.size);
  const start = loaded?.state ?? (await initialState(program, trainee));
  const State = engine.provider === 'cpu' ? HostState : DeviceState;
  await using state = await State.open({ engine, layout, options, start });
  const records: TrainStep[] = [...(loaded?.steps ?? [])];
  const total = countSteps(examples.length, options);
  const runStep = stepRunner({ ...training, program, state, loss, total });
  let saved = records.length;
  const save = async (): Promise<void> => {
    if (records.length > saved) await files.save(records, await state.read());
    saved = records.length;
  };
  while (records.length < total) {
    try {
      records.push(await runStep(records.length));
    } catch (thrown) {
      if (thrown instanceof SipfError && thrown.code === 'aborted') await save();
      throw thrown;
    }
    args.onStep?.(records.at(-1) as TrainStep);
    if (records.length % options.checkpointEverySteps === 0 && records.length < total) await save();
  }
  const { params } = await state.read();
  if (!(await hasChanged(program, trainee, params))) throw unchanged(records);
  await trainee.write(job.out, namedValues(program, params));
  return records;
}

async function initialState({ layout }: TrainingProgram, trainee: Trainee): Promise<FlatState> {
  const params = layout.zeros();
  for (const { name, shape, offset } of layout.tensors) params.set(await trainee.initial(name, shape), offset);
  return { params, m: layout.zeros(), v: layout.zeros() };
}

/** Whether any trained weight differs from where training began, in any bit. */
async function hasChanged({ layout }: TrainingProgram, trainee: Trainee, params: Float32Array): Promise<boolean> {
  for (const tensor of layout.tensors) {
    const first = await trainee.initial(tensor.name, tensor.shape);
    const now = layout.view(params, tensor);
    if (first.some((value, i) => !Object.is(value, now[i]))) return true;
  }
  return false;
}

function namedValues({ layout }: TrainingProgram, params: Float32Array): NamedValues {
  return new Map(
    layout.tensors.map((tensor) => [tensor.name, { shape: tensor.shape, data: layout.view(params, tensor) }]),
  );
}

interface RunningTraining extends Training {
  readonly program: TrainingProgram;
  readonly state: TrainingState;
  readonly loss: Loss;
  readonly total: number;
}

/** One optimizer step: its passes, clipping, the update. Stops between passes, and then leaves the state as it was. */
function stepRunner(training: RunningTraining): (step: number) => Promise<TrainStep> {
  const { state, loss, job, model, examples, total } = training;
  const { options } = job;
  const examplesAt = stepExamples(examples, options);
  const packed = packing(model.decoder, loss, options);
  return async (step) => {
    const batch = examplesAt(step);
    const passes = packStep(batch, packed);
    const { value, metrics } = await runPasses(training, step, passes);
    const gradNorm = await state.norm();
    if (!Number.isFinite(value + gradNorm)) throw await diverged(training, { step, loss: value, gradNorm, batch });
    const rate = learningRate(options, step, total);
    const gradientScale = options.clip === null ? 1 : Math.min(1, options.clip / (gradNorm + 1e-6));
    await state.step({ update: step + 1, learningRate: rate, gradientScale });
    const tokens = batch.reduce((sum, example) => sum + tokensOf(example), 0);
    return { step, steps: total, loss: value, gradNorm, learningRate: rate, tokens, metrics };
  };
}

async function runPasses(
  { program, state, loss, job, args }: RunningTraining,
  step: number,
  passes: readonly Pass[],
): Promise<{ value: number; metrics: Figures }> {
  const placed = placeStep(passes);
  const sums: Figures = {};
  let value = 0;
  for (const [n, of] of placed.entries()) {
    throwIfAborted(args.signal);
    const dropoutKey = `dropout/${job.options.seed}/${step}`;
    const result = await program.run(of, state, { first: n === 0, dropoutKey });
    value += result.loss;
    for (const [name, [figure = 0]] of Object.entries(result.figures)) sums[name] = (sums[name] ?? 0) + figure;
  }
  throwIfAborted(args.signal);
  const examples = placed.flatMap((pass) => pass.examples);
  return { value, metrics: loss.report(sums, examples) };
}
