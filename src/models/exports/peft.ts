// An adapter and a name of its base -> a PEFT folder that does not depend on where the run was.
import { SipfError } from '../../errors.ts';
import { publicId } from '../../io/hub-name.ts';
import { type AdapterFiles, writeAdapter } from '../files/adapter-files.ts';
import type { OpenModel } from '../open-model.ts';
import type { ExportArgs, ExportJob } from './export-model.ts';

/** The version of PEFT whose form the folder has. */
const PEFT_VERSION = '0.21.0';

/** @throws SipfError 'bad-input' where the model has no adapter, or its base no name that others can use. */
export async function exportPeft({ model, job }: ExportArgs): Promise<string[]> {
  const adapter = requireAdapter(model, job);
  const baseModel = job.base ?? (await nameOf(model.source.model));
  await writeAdapter(job.out, { ...adapter, baseModel }, { peft_version: PEFT_VERSION });
  return [];
}

/** @throws SipfError 'bad-input' where there is none (all weights were trained, or nothing was), or another number type is asked for. */
export function requireAdapter(
  { adapter, source }: Pick<OpenModel, 'adapter' | 'source'>,
  { to, dtype }: ExportJob,
): AdapterFiles {
  if (dtype !== undefined && dtype !== 'f32')
    throw new SipfError('bad-input', `Expected no --dtype but f32 for --to ${to}, got ${dtype}. Leave it out.`);
  if (adapter) return adapter;
  throw new SipfError(
    'bad-input',
    `Expected a model with a LoRA adapter for --to ${to}, got ${source.model} without one. Use --to merged or --to gguf.`,
  );
}

async function nameOf(model: string): Promise<string> {
  const id = await publicId(model);
  if (id !== null) return id;
  throw new SipfError(
    'bad-input',
    `Expected --base, the hub id or path by which others find the base, got none: the model is ${model}. Name it, such as --base owner/name.`,
  );
}
