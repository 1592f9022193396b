// A command's options and configuration -> its --out, refused where that would destroy something.

import { type ReadPath, readsOf } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { checkOutFile, checkOutModel, checkOutRun } from '../pipeline/out-paths.ts';

/** Fields of the records that each command writes. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  sample: ['id', 'questionId', 'source', 'policy', 'finishReason', 'outcome'],
  label: ['sampleId', 'questionId', 'simulator', 'K', 'steps'],
  'train-probe': ['model', 'layers', 'weights'],
  score: ['sampleId', 'questionId', 'scorer', 'scores'],
  pair: ['questionId', 'question', 'chosen', 'rejected'],
  eval: ['questionId', 'question', 'reference', 'completion', 'outcome'],
};

/** Options that name what is read, whichever command has them. */
const OPTIONS: Readonly<Record<string, ReadPath['kind']>> = {
  in: 'file',
  samples: 'file',
  labels: 'file',
  known: 'file',
  questions: 'file',
  config: 'file',
  shotsFile: 'file',
  data: 'data',
  model: 'model',
  adapter: 'model',
  prm: 'model',
  calibration: 'file',
  probe: 'file',
  fromRun: 'model',
};

/** Whether a command writes records; else it writes a model. */
export function isOfRecords(command: string): boolean {
  return command in FIELDS;
}

/** @throws SipfError 'bad-input' where what `command` writes must not go to `--out`. */
export async function checkOut(
  command: string,
  options: object & { readonly out: string },
  config?: Config,
): Promise<void> {
  const fields = FIELDS[command];
  const [out, reads] = [options.out, readsIn(options, config)];
  if (fields === undefined) await checkOutModel(command, out, reads);
  else await checkOutFile({ command, out, reads, fields });
}

/** The same for the folder of a run, before its configuration is read: --out may hold one that says more. */
export function checkRunOut(options: object, out: string): Promise<void> {
  return checkOutRun(out, readsIn(options));
}

function readsIn(options: object, config?: Config): ReadPath[] {
  const named = Object.entries(options).flatMap(([option, given]): ReadPath[] => {
    const kind = OPTIONS[option];
    const name = `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (kind === undefined) return [];
    return [given].flat().flatMap((path) => (typeof path === 'string' ? [{ name, path, kind }] : []));
  });
  return [...named, ...(config === undefined ? [] : readsOf(config))];
}
