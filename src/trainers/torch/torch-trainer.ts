// The Trainer port -> a job in files, the program that trains it, and the model that it leaves.
import { join } from 'node:path';
import { z } from 'zod';
import type { Trainer, TrainJob, TrainResult, TrainStep } from '../../backend.ts';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import { readJsonObject } from '../../io/file-bytes.ts';
import { type OpenModel, openModel } from '../../models/open-model.ts';
import { OBJECTIVES } from '../../objectives/objectives.ts';
import { CheckpointFiles } from '../../training/checkpoint.ts';
import { type TokenExample, tokenise, tokensOf, withoutResults } from '../../training/examples.ts';
import { loraFiles } from '../../training/lora-files.ts';
import { placedAlone } from '../../training/placed.ts';
import { checkedResult, diverged, jobHash, resultOf, trainedSource, unchanged } from '../../training/training-job.ts';
import type { TorchSettings } from '../torch.ts';
import { type TrainerParts, warningsOf } from '../trainer.ts';
import { checkTorch } from './check.ts';
import { type ProgramEvent, ProgramStep, readEvent } from './events.ts';
import { type JobFilesArgs, jobJson, type PlannedStep, planSteps, writeJobFiles } from './job-files.ts';
import { clearLeft, type JobPlace, openPlace } from './job-place.ts';
import type { Ended, Launch } from './launch.ts';
import { localLaunch } from './local-launch.ts';
import { rayLaunch } from './ray-launch.ts';
import { writeModel } from './written-model.ts';

interface Opened {
  readonly settings: TorchSettings;
  readonly parts: TrainerParts;
  readonly launch: Launch;
}

/** Trains by the Python program of this package. Each training is a process of its own; nothing stays between two. */
export function torchTrainer(
  settings: TorchSettings,
  parts: TrainerParts,
  launch: Launch = launchOf(settings, parts),
): Trainer {
  const trainer = { settings, parts, launch };
  return {
    async checkTraining({ signal } = {}) {
      const findings = await checkTorch(settings, parts, signal);
      throwIfAborted(signal);
      return warningsOf(findings);
    },
    train: (job, onStep, { signal } = {}) => train(trainer, job, onStep, signal ?? new AbortController().signal),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function launchOf(settings: TorchSettings, parts: TrainerParts): Launch {
  return settings.ray === null ? localLaunch({ ...settings, ...parts }) : rayLaunch(settings, settings.ray, parts);
}

async function train(
  trainer: Opened,
  job: TrainJob,
  onStep: (step: TrainStep) => void,
  signal: AbortSignal,
): Promise<TrainResult> {
  throwIfAborted(signal);
  checkLora(trainer.settings, job);
  const { store } = trainer.parts;
  // Named as everything else names it, and downloaded where it must be.
  const { hash: start } = await store.describe(job.source);
  const model = await openModel(job.source);
  checkFolder(model);
  const hash = jobHash(job, start);
  const files = new CheckpointFiles(job.out, hash);
  const hashOf = async () => (await store.describe(trainedSource(job, model.source))).hash;
  const finished = await files.finished();
  const folder = join(files.folder, 'torch');
  const at = { ...trainer, folder, hash, model, signal };
  if (finished) {
    const result = checkedResult(finished, job, await hashOf());
    await clearLeft(at);
    await files.clear();
    return resultOf(job, model.source, result);
  }
  const { dropped, ...jobArgs } = await jobFiles(trainer.settings, { job, hash, model });
  await files.begin();
  const place = await openPlace(at);
  const training = { ...trainer, ...jobArgs, files, folder, place, onStep, signal };
  const steps = await runProgram(training);
  await writeModel(training);
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const result = { steps, dropped, tokens, hash: await hashOf() };
  await files.finish(result);
  await place.clear();
  await files.clear();
  return resultOf(job, model.source, result);
}

function checkLora({ quantisation }: TorchSettings, { options }: TrainJob): void {
  if (quantisation === null || options.lora !== null) return;
  throw new SipfError(
    'unsupported',
    `Expected lora with engine.trainer.quantisation ${quantisation}, whose weights stay frozen, got lora null: training of all weights. Set lora of this training, or engine.trainer.quantisation null.`,
  );
}

function checkFolder({ files: { path } }: OpenModel): void {
  if (!path.endsWith('.gguf')) return;
  throw new SipfError(
    'unsupported',
    `Expected a Hugging Face folder for engine.trainer torch, got ${path}. Write one: sipf export --to merged --model ${path} --out FOLDER.`,
  );
}

/** What the job's files are made of, and which examples are too long. */
async function jobFiles(settings: TorchSettings, of: Pick<JobFilesArgs, 'job' | 'hash' | 'model'>) {
  const { job, model } = of;
  const { objective, maxLength, calculatorLoss = true, lora } = job.options;
  const limit = Math.min(maxLength, model.decoder.config.contextLength);
  const { kept, dropped } = tokenise(job.examples, objective.kind, model.tokenizer, limit);
  const examples = calculatorLoss ? kept : withoutResults(kept, model.tokenizer);
  const loss = OBJECTIVES[objective.kind].open(objective);
  const plan = planSteps(job, model, loss, examples);
  const factors = lora === null ? null : loraFiles({ model, objective, options: job.options }, lora);
  return { ...of, settings, examples, plan, loss, lora: factors, dropped };
}

type Training = Opened &
  Omit<Awaited<ReturnType<typeof jobFiles>>, 'dropped'> & {
    readonly files: CheckpointFiles;
    readonly place: JobPlace;
    /** Of the job and its checkpoint. */
    readonly folder: string;
    readonly onStep: (step: TrainStep) => void;
    readonly signal: AbortSignal;
  };

/** Runs the program from its checkpoint to its end. Gives all steps, those before it included. */
async function runProgram(training: Training): Promise<TrainStep[]> {
  const { folder, place, parts, launch, signal, onStep } = training;
  const steps: TrainStep[] = [];
  let stored = 0;
  const begin = async (isAtWork: boolean) => {
    steps.push(...(await storedSteps(training)));
    stored = steps.length;
    // A program at work holds its files open.
    if (isAtWork) return;
    await writeJobFiles(folder, training);
    await place.send();
  };
  const last: ProgramEvent[] = [];
  const onLine = (line: string): boolean => {
    const event = readEvent(line);
    if (event === null) return false;
    if (event.event === 'started') parts.log(startedLine(event));
    else if (event.event === 'warning') parts.log(`Training: ${event.message}`);
    else if (event.event === 'step') {
      // The log of a program that was at work begins before its checkpoint.
      if (event.step < stored) return true;
      checkTurn(training, event.step, steps.length);
      steps.push(stepOf(training, event));
      onStep(steps.at(-1) as TrainStep);
    } else last.push(event);
    return true;
  };
  const job = { folder, hash: sha256(canonicalJson(jobJson(training))), begin, fetch: () => place.fetch() };
  const ended = await launch({ args: [place.name], job, onLine, signal });
  const finished = last.find(({ event }) => event === 'finished');
  if (finished?.event === 'finished' && ended.isWell) {
    if (finished.changed) return steps;
    throw unchanged(steps);
  }
  throwIfAborted(signal);
  throw await failureOf(training, ended, last, steps.length);
}

/** @throws SipfError 'crashed' where two programs do the same work. */
function checkTurn({ settings }: Training, step: number, next: number): void {
  if (step === next) return;
  throw new SipfError(
    'crashed',
    `Expected optimizer step ${next} of the training program, got ${step}. Its processes do not know of each other: correct engine.trainer.command (${settings.command.join(' ')}) so that one launcher starts them.`,
  );
}

function startedLine({ step, device, processes }: Extract<ProgramEvent, { event: 'started' }>): string {
  const by = processes === 1 ? '' : ` in ${processes} processes`;
  return `Training by torch on ${device}${by}${step === 0 ? '' : `, from optimizer step ${step} on`}.`;
}

const Progress = z.object({ steps: z.array(ProgramStep) });

/** The steps of the program's checkpoint. @throws SipfError 'bad-input' where it is of another training, or damaged. */
async function storedSteps(training: Training): Promise<TrainStep[]> {
  const { folder, files, place } = training;
  const text = await place.progress();
  if (text === null) return [];
  const job = join(folder, 'job.json');
  const { hash } = await readJsonObject(job);
  files.check(String(hash), job);
  const parsed = Progress.safeParse(jsonIn(text));
  if (parsed.success) return parsed.data.steps.map((step) => stepOf(training, step));
  const got = parsed.error.issues[0]?.message ?? 'others';
  throw new SipfError(
    'bad-input',
    `Expected training records in ${place.name}/progress.json, got ${got}. Delete ${folder} to train from the start.`,
  );
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function stepOf({ plan, loss }: Pick<Training, 'plan' | 'loss'>, { figures, ...step }: ProgramStep): TrainStep {
  const { learningRate, examples }: PlannedStep = plan.at(step.step);
  return {
    step: step.step,
    steps: plan.total,
    loss: step.loss,
    gradNorm: step.gradNorm,
    learningRate,
    tokens: examples.reduce((sum: number, example: TokenExample) => sum + tokensOf(example), 0),
    metrics: loss.report(figures, examples.map(placedAlone)),
  };
}

/** Why there is no model: what the program says of it, or how it ended. */
async function failureOf(
  training: Training,
  { how, said }: Ended,
  last: readonly ProgramEvent[],
  steps: number,
): Promise<SipfError> {
  for (const event of last) {
    if (event.event === 'error') return new SipfError(event.code, event.message);
    if (event.event === 'diverged') {
      const { step, loss, gradNorm } = event;
      return diverged(training, {
        step,
        loss: Number(loss),
        gradNorm: Number(gradNorm),
        batch: training.plan.at(step).examples,
      });
    }
  }
  const command = training.settings.command.join(' ');
  const words = said.length === 0 ? 'nothing was said' : quoted(said).join('\n  ');
  const memory = how.startsWith('signal SIGKILL')
    ? ' The system may have been short of memory: lower tokensPerPass.'
    : '';
  return new SipfError(
    'crashed',
    `Expected the training program (${command}) to finish, got ${how} after optimizer step ${steps}:\n  ${words}\nCorrect what it names; the same command continues from the last checkpoint.${memory}`,
  );
}

/** Lines that an error quotes, and a cause above them: a launcher says much after what ended its processes. */
const QUOTED = 12;
const CAUSE = /^(?:\[rank\d+\]: )?(?!.*ChildFailed)[\w.]*(?:Error|Exception)\b/;

function quoted(said: readonly string[]): string[] {
  const last = said.slice(-QUOTED);
  const cause = said.slice(0, -QUOTED).findLast((line) => CAUSE.test(line));
  return cause === undefined || last.some((line) => CAUSE.test(line)) ? last : [cause, '...', ...last];
}
