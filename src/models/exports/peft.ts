// An adapter and a name of its base -> a PEFT folder that does not depend on where the run was.
import { SipfError } from '../../errors.ts';
import { exists } from '../../io/file-bytes.ts';
import { type AdapterFiles, writeAdapter } from '../files/adapter-files.ts';
import type { OpenModel } from '../open-model.ts';
import type { ExportArgs } from './export-model.ts';

/** The version of PEFT whose form the folder has. */
const PEFT_VERSION = '0.21.0';

/** @throws SipfError 'bad-input' where the model has no adapter, or its base no name that others can use. */
export async function exportPeft({ model, job }: ExportArgs): Promise<string[]> {
  const adapter = requireAdapter(model, job.to);
  const baseModel = job.base ?? (await hubName(model.source.model));
  await writeAdapter(job.out, { ...adapter, baseModel }, { peft_version: PEFT_VERSION });
  return [];
}

/** @throws SipfError 'bad-input' where there is none: all weights were trained, or nothing was. */
export function requireAdapter({ adapter, source }: Pick<OpenModel, 'adapter' | 'source'>, to: string): AdapterFiles {
  if (adapter) return adapter;
  throw new SipfError(
    'bad-input',
    `Expected a model with a LoRA adapter for --to ${to}, got ${source.model} without one. Use --to merged or --to gguf.`,
  );
}

async function hubName(model: string): Promise<string> {
  if (!(await exists(model))) return model;
  throw new SipfError(
    'bad-input',
    `Expected --base, the hub id or path by which others find the base, got none: the model is the local ${model}. Name it, such as --base owner/name.`,
  );
}
