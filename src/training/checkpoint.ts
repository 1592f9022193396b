// Training state -> files from which a later run continues; a new one is whole before the old goes.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TrainStep } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { exists, readJsonObject } from '../io/file-bytes.ts';
import { makeFolders, writeFileAtomically } from '../io/files.ts';
import { readSafetensors, writeSafetensors } from '../models/files/safetensors.ts';
import type { FlatState } from './flat-weights.ts';

const Step = z.object({
  step: z.number().int(),
  steps: z.number().int(),
  loss: z.number(),
  gradNorm: z.number(),
  learningRate: z.number(),
  tokens: z.number().int(),
  metrics: z.record(z.string(), z.number()),
});

const Progress = z.object({
  /** Hash of everything that decides the trajectory. */
  job: z.string(),
  /** Records of the steps done; their number is the position in the data. */
  steps: z.array(Step),
});

const Result = Progress.extend({ dropped: z.array(z.number().int()), tokens: z.number().int(), hash: z.string() });

/** What a finished training leaves beside its weights: no times, no paths. */
export type StoredResult = z.infer<typeof Result>;

const FOLDER = 'checkpoint';
const BEGUN = 'begun.json';
const PROGRESS = 'progress.json';
const RESULT = 'training.json';

/** The files of one training in its output folder. */
export class CheckpointFiles {
  /** Where checkpoints are; it goes with the training's end. */
  readonly folder: string;
  readonly #out: string;
  readonly #job: string;

  constructor(out: string, job: string) {
    this.folder = join(out, FOLDER);
    this.#out = out;
    this.#job = job;
  }

  /** The result, where this very training has finished here. @throws SipfError 'bad-input' when another one has. */
  async finished(): Promise<StoredResult | null> {
    return this.#read(join(this.#out, RESULT), Result);
  }

  /** Writes a first small file, so that a folder that takes none is known before any step. @throws SipfError 'write-failed'. */
  async begin(): Promise<void> {
    await makeFolders(this.folder);
    await writeJson(join(this.#out, FOLDER, BEGUN), { job: this.#job });
  }

  /** Where to continue, or null at the start. @throws SipfError 'bad-input' when another training stands here. */
  async load(size: number): Promise<{ steps: TrainStep[]; state: FlatState } | null> {
    const { folder } = this;
    const progress = await this.#read(join(folder, PROGRESS), Progress);
    if (!progress) return null;
    const tensors = await readSafetensors(join(folder, stateFile(progress.steps.length)));
    const part = (name: string): Float32Array<ArrayBuffer> => {
      const data = tensors.get(name)?.data;
      if (data?.length === size) return data as Float32Array<ArrayBuffer>;
      throw corrupt(folder, `${size} values of ${name}`, `${data?.length ?? 'none'}`);
    };
    return { steps: progress.steps, state: { params: part('params'), m: part('m'), v: part('v') } };
  }

  /** Writes the state after `steps`, then forgets older ones. */
  async save(steps: readonly TrainStep[], state: FlatState): Promise<void> {
    const { folder } = this;
    await makeFolders(folder);
    const file = stateFile(steps.length);
    const tensors = (['params', 'm', 'v'] as const).map((name) => ({
      name,
      shape: [state[name].length],
      data: state[name],
    }));
    await writeSafetensors(join(folder, file), tensors);
    await writeJson(join(folder, PROGRESS), { job: this.#job, steps });
    for (const name of await readdir(folder)) {
      if (name.startsWith('state-') && name !== file) await rm(join(folder, name), { force: true });
    }
  }

  /** Marks the training as finished; the weights must be written already. */
  async finish(result: Omit<StoredResult, 'job'>): Promise<void> {
    await writeJson(join(this.#out, RESULT), { job: this.#job, ...result });
  }

  /** Forgets the checkpoints of a training that has finished. */
  async clear(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Keeps what broke the training, for a person to look at. Returns the file. */
  async saveDiverged(content: unknown): Promise<string> {
    const file = join(this.#out, 'diverged-batch.json');
    await writeJson(file, content);
    return file;
  }

  async #read<T extends { job: string }>(file: string, schema: z.ZodType<T>): Promise<T | null> {
    if (!(await exists(file))) return null;
    const parsed = schema.safeParse(await readJsonObject(file));
    if (!parsed.success) throw corrupt(file, 'training records', parsed.error.issues[0]?.message ?? 'others');
    this.check(parsed.data.job, file);
    return parsed.data;
  }

  /** @throws SipfError 'bad-input' where `file` is of another training than this one. */
  check(job: string, file: string): void {
    if (job === this.#job) return;
    throw new SipfError(
      'bad-input',
      `Expected ${this.#out} to be empty or to hold this very training, got ${file} of another model, data or options. Choose another output folder, or delete this one.`,
    );
  }
}

const stateFile = (steps: number): string => `state-${steps}.safetensors`;

function corrupt(file: string, expected: string, got: string): SipfError {
  return new SipfError('bad-input', `Expected ${expected} in ${file}, got ${got}. Delete it to train from the start.`);
}

function writeJson(file: string, value: unknown): Promise<void> {
  return writeFileAtomically(file, [`${JSON.stringify(value)}\n`]);
}
