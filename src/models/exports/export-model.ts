// A model source -> the files of it that other programs read, by the kind that is asked for.
import { basename, join } from 'node:path';
import type { Engine } from '../../engine/runtime/session.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { isFolder } from '../../io/file-bytes.ts';
import { writeFileAtomically, writeNew } from '../../io/files.ts';
import type { ModelSource } from '../../records.ts';
import type { WrittenTypeName } from '../files/written-types.ts';
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
  /** How weights are stored; absent: as is usual for the form. */
  readonly dtype?: WrittenTypeName | undefined;
  /** Text of README.md, where the form is a folder. */
  readonly card: string;
}

export interface ExportArgs {
  readonly engine: Engine;
  readonly model: OpenModel;
  /** `out` is a draft, which moves where the user wants it once it is whole. */
  readonly job: ExportJob;
  /** What people see as the model's name. */
  readonly name: string;
  readonly options: CacheOptions;
}

/** Each writes its form and gives what the user should know. */
const EXPORTS = {
  peft: exportPeft,
  merged: exportMerged,
  gguf: exportGguf,
  'gguf-lora': exportGgufLora,
  'prm-lm': exportPrmLm,
} as const satisfies Record<string, (args: ExportArgs) => Promise<string[]>>;
export type ExportKind = keyof typeof EXPORTS;

/**
 * Writes a model in another form. `job.out` is there once it is whole.
 * @returns what the user should know of it.
 * @throws SipfError 'bad-input' where `job.out` is there; 'bad-input' or 'unsupported' where the model has no such form, naming file and
 * tensor or field; 'write-failed'.
 */
export async function exportModel(
  engine: Engine,
  source: ModelSource,
  job: ExportJob,
  options: CacheOptions = {},
): Promise<string[]> {
  const model = await openModel(source, options);
  const name = basename(job.out, '.gguf');
  const warnings = await writeNew(job.out, async (out) => {
    const found = await EXPORTS[job.to]({ engine, model, job: { ...job, out }, name, options });
    if (await isFolder(out)) await writeFileAtomically(join(out, 'README.md'), [job.card]);
    return found;
  });
  return [...model.warnings, ...warnings];
}
