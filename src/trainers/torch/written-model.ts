// What the program trained -> the adapter or model folder that the own trainer writes.
import { join } from 'node:path';
import { SipfError } from '../../errors.ts';
import { HEAD } from '../../models/architectures/output-head.ts';
import {
  readSafetensors,
  readSafetensorsHeader,
  readTensorPieces,
  type TensorEntry,
} from '../../models/files/safetensors.ts';
import { declaredWeights } from '../../models/weights/declared-weights.ts';
import { writeTrained } from '../../training/full-weights.ts';
import { withHeadBias } from '../../training/prm-start.ts';
import { type JobFilesArgs, startShapes } from './job-files.ts';

interface WrittenArgs extends Pick<JobFilesArgs, 'job' | 'model' | 'lora'> {
  /** Of the program. */
  readonly folder: string;
}

/** @throws SipfError 'crashed' where the program left other tensors than were asked for. */
export async function writeModel(args: WrittenArgs): Promise<void> {
  const { job, model, lora, folder } = args;
  const file = join(folder, 'trained.safetensors');
  const header = await readSafetensorsHeader(file);
  checkShapes(file, header, args);
  if (lora !== null) return lora.write(job.out, await readSafetensors(file));
  const values = [...header].map(([name, entry]) => {
    return [name, { shape: entry.shape, data: () => readTensorPieces(name, entry) }] as const;
  });
  const tensors = [...withHeadBias(new Map(values))].map(([name, value]) => ({ name, ...value }));
  return writeTrained(job.out, { model, prm: job.options.objective.kind === 'prm', tensors }, {});
}

/** A training of all weights may also have those that a model may lack, such as biases. */
function checkShapes(file: string, found: ReadonlyMap<string, TensorEntry>, args: WrittenArgs): void {
  const wanted = new Map(startShapes(args));
  if (args.lora === null) for (const [name, shape] of wholeShapes(args)) wanted.set(name, shape);
  for (const [name, shape] of wanted) {
    const got = found.get(name)?.shape;
    if (String(got) === String(shape)) continue;
    throw new SipfError(
      'crashed',
      `Expected ${name} [${shape}] in ${file}, got ${got === undefined ? 'no such tensor' : `[${got}]`}. The program of engine.trainer torch is not that of this package: correct engine.trainer.command.`,
    );
  }
}

function wholeShapes({ job, model }: WrittenArgs): (readonly [string, readonly number[]])[] {
  const { shapes } = declaredWeights(model.decoder);
  const isRead = (name: string) => job.options.objective.kind !== 'prm' || !name.startsWith(`${HEAD}.`);
  return [...shapes].filter(([name]) => isRead(name));
}
