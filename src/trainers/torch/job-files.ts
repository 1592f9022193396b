// A training job, its model and its token examples -> the files that the program reads.
import { join } from 'node:path';
import type { TrainJob } from '../../backend.ts';
import { makeFolders, nodeDisk, replaceFile, writeJson } from '../../io/files.ts';
import { adapterScale } from '../../models/files/adapter-files.ts';
import { type TensorToWrite, writeSafetensors } from '../../models/files/safetensors.ts';
import type { OpenModel } from '../../models/open-model.ts';
import { declaredWeights } from '../../models/weights/declared-weights.ts';
import type { Loss } from '../../objectives/objective.ts';
import { OBJECTIVES } from '../../objectives/objectives.ts';
import { countSteps, packStep, stepExamples } from '../../training/batches.ts';
import type { TokenExample } from '../../training/examples.ts';
import type { LoraFiles } from '../../training/lora-files.ts';
import { packing } from '../../training/packing.ts';
import { headShapes, headStart } from '../../training/prm-start.ts';
import { learningRate } from '../../training/schedule.ts';
import type { TorchSettings } from '../torch.ts';
import type { JobPlace } from './job-place.ts';

/** An optimizer step: which examples of which passes, and the rate. */
export interface PlannedStep {
  readonly learningRate: number;
  readonly examples: readonly TokenExample[];
  /** What ORPO's `normalise: microbatch` means over; elsewhere all examples. */
  readonly passes: readonly (readonly TokenExample[])[];
}

/** Any step of a training; the order and the batches are those of this package's own trainer. */
export function planSteps(job: TrainJob, { decoder }: OpenModel, loss: Loss, examples: readonly TokenExample[]) {
  const { options } = job;
  const total = countSteps(examples.length, options);
  const examplesAt = stepExamples(examples, options);
  const packed = packing(decoder, loss, options);
  return {
    total,
    at(step: number): PlannedStep {
      const batch = examplesAt(step);
      const passes = loss.inOrder
        ? packStep(batch, packed).map(({ placements }) => placements.map(({ example }) => example))
        : [batch];
      return { learningRate: learningRate(options, step, total), examples: batch, passes };
    },
  };
}

export type Plan = ReturnType<typeof planSteps>;

export interface JobFilesArgs {
  readonly job: TrainJob;
  /** Of the job: the program's checkpoint is of this one. */
  readonly hash: string;
  readonly model: OpenModel;
  readonly examples: readonly TokenExample[];
  readonly plan: Plan;
  /** null: every weight is trained. */
  readonly lora: LoraFiles | null;
  readonly settings: TorchSettings;
  readonly place: JobPlace;
}

/** Writes job.json, examples.jsonl, steps.jsonl and start.safetensors to `folder`. @throws SipfError 'write-failed'. */
export async function writeJobFiles(folder: string, args: JobFilesArgs): Promise<void> {
  const { examples, plan } = args;
  await makeFolders(folder);
  await writeSafetensors(join(folder, 'start.safetensors'), await startTensors(args));
  await replaceFile(nodeDisk, join(folder, 'examples.jsonl'), lines(examples, exampleLine));
  const lineOf = new Map(examples.map((example, line) => [example.index, line]));
  const steps = Array.from({ length: plan.total }, (_, step) => step);
  await replaceFile(
    nodeDisk,
    join(folder, 'steps.jsonl'),
    lines(steps, (step) => {
      const { learningRate, passes } = plan.at(step);
      return { learningRate, passes: passes.map((pass) => pass.map(({ index }) => lineOf.get(index))) };
    }),
  );
  await writeJson(join(folder, 'job.json'), jobJson(args));
}

function* lines<T>(items: readonly T[], recordOf: (item: T) => object): Generator<string> {
  for (const item of items) yield `${JSON.stringify(recordOf(item))}\n`;
}

const exampleLine = ({ prompt, branches, silent, stepEnds, reference }: TokenExample) => ({
  prompt,
  branches,
  silent,
  stepEnds,
  reference,
});

/** What the program is told of a job beside its examples. */
export function jobJson({ job, hash, model, lora, settings, place }: JobFilesArgs): object {
  const { options } = job;
  const { kind: _, command: _command, ray: _ray, ...execution } = settings;
  const below = lora === null ? model.adapter : lora.below;
  return {
    hash,
    model: place.model,
    tied: model.files.config['tie_word_embeddings'] ?? null,
    objective: OBJECTIVES[options.objective.kind].options.parse(options.objective),
    lora: options.lora && { ...options.lora, targets: undefined, modules: lora?.modules },
    below: below && {
      rank: below.rank,
      alpha: adapterScale(below) * below.rank,
      dropout: 0,
      modules: [...below.tensors.keys()],
    },
    optimizer: {
      betas: options.betas,
      eps: options.eps,
      weightDecay: options.weightDecay,
      clip: options.clip,
    },
    tokensPerPass: options.tokensPerPass,
    checkpointEverySteps: options.checkpointEverySteps,
    seed: options.seed,
    ...execution,
  };
}

/** Shapes of the tensors of an adapter or head that are trained, by name; of a full training those of the head alone. */
export function startShapes({ job, model, lora }: Pick<JobFilesArgs, 'job' | 'model' | 'lora'>) {
  const { objective } = job.options;
  const found = new Map<string, readonly number[]>();
  const rank = job.options.lora?.rank ?? 0;
  const { shapes } = declaredWeights(model.decoder);
  for (const module of lora?.modules ?? []) {
    const [out = 0, width = 0] = shapes.get(`${module}.weight`) ?? [];
    found.set(`${module}.lora_A.weight`, [rank, width]);
    found.set(`${module}.lora_B.weight`, [out, rank]);
  }
  if (objective.kind === 'prm') for (const [name, shape] of headShapes(model, objective)) found.set(name, shape);
  return found;
}

/** First values of what is trained beside the model's own weights, and the factors of an adapter below it. */
async function startTensors(args: JobFilesArgs): Promise<TensorToWrite[]> {
  const { job, model, lora } = args;
  const { seed } = job.options;
  const tensors: TensorToWrite[] = [];
  for (const [name, shape] of startShapes(args)) {
    const data = lora === null ? headStart(model, name, shape, seed) : lora.initial(name, shape);
    tensors.push({ name, shape, data: await data });
  }
  const below = lora === null ? model.adapter : lora.below;
  for (const [module, { a, b }] of below?.tensors ?? []) {
    const rank = below?.rank ?? 1;
    tensors.push({ name: `below.${module}.lora_A.weight`, shape: [rank, a.length / rank], data: a });
    tensors.push({ name: `below.${module}.lora_B.weight`, shape: [b.length / rank, rank], data: b });
  }
  return tensors;
}
