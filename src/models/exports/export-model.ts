// A model source -> the files of it that other programs read, by the kind that is asked for.
import { join } from 'node:path';
import type { Engine } from '../../engine/runtime/session.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { writeFileAtomically } from '../../io/files.ts';
import type { ModelSource } from '../../records.ts';
import type { WrittenTypeName } from '../files/gguf-blocks.ts';
import { type OpenModel, openModel } from '../open-model.ts';
import { exportGguf } from './gguf.ts';
import { exportGgufLora } from './gguf-lora.ts';
import { exportMerged } from './merged.ts';
import { exportPeft } from './peft.ts';
import { exportPrmLm } from './prm-lm.ts';

export interface ExportJob {
  readonly to: ExportKind;
  /** A folder, or a .gguf file. */
  readonly out: string;
  /** How a PEFT adapter names its base; absent: as the source does. */
  readonly base?: string | undefined;
  /** Of the matrices of a GGUF file. */
  readonly dtype: WrittenTypeName;
  /** Text of a folder's README.md. */
  readonly card: string;
}

export interface ExportArgs {
  readonly engine: Engine;
  readonly model: OpenModel;
  readonly job: ExportJob;
  readonly options: CacheOptions;
}

/** Each writes `job.out` and gives what the user should know. */
const EXPORTS = {
  peft: exportPeft,
  merged: exportMerged,
  gguf: exportGguf,
  'gguf-lora': exportGgufLora,
  'prm-lm': exportPrmLm,
} as const satisfies Record<string, (args: ExportArgs) => Promise<string[]>>;
export type ExportKind = keyof typeof EXPORTS;

/** Kinds whose output is one file; the others are folders with a README.md. */
const FILES: readonly ExportKind[] = ['gguf', 'gguf-lora'];

/**
 * Writes a model in another form.
 * @returns what the user should know of it.
 * @throws SipfError 'bad-input' or 'unsupported' where the model has no such form, naming file and tensor or field; 'write-failed'.
 */
export async function exportModel(
  engine: Engine,
  source: ModelSource,
  job: ExportJob,
  options: CacheOptions = {},
): Promise<string[]> {
  const model = await openModel(source, options);
  const warnings = await EXPORTS[job.to]({ engine, model, job, options });
  if (!FILES.includes(job.to)) await writeFileAtomically(join(job.out, 'README.md'), [job.card]);
  return [...model.warnings, ...warnings];
}
