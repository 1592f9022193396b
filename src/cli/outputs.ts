// A command's options and configuration -> its --out, refused where that would destroy something.

import { type ReadPath, readsOf } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { checkOutFile, checkOutModel, checkOutRun } from '../pipeline/out-paths.ts';

/** Fields of the records that each command writes. */
const FIELDS = {
  sample: ['id', 'questionId', 'source', 'policy', 'finishReason', 'outcome'],
  label: ['sampleId', 'questionId', 'simulator', 'K', 'steps'],
  score: ['sampleId', 'questionId', 'scorer', 'scores'],
  pair: ['questionId', 'question', 'chosen', 'rejected'],
  eval: ['questionId', 'question', 'reference', 'completion', 'outcome'],
} as const;

/** Options that name what is read, whichever command has them. */
const OPTIONS: Readonly<Record<string, ReadPath['kind']>> = {
  in: 'file',
  samples: 'file',
  labels: 'file',
  questions: 'file',
  config: 'file',
  shotsFile: 'file',
  data: 'data',
  model: 'model',
  adapter: 'model',
  prm: 'model',
  simulator: 'model',
  verifier: 'model',
  fromRun: 'model',
};

type RecordsCommand = keyof typeof FIELDS;

/** Whether a command writes records; else it writes a model. */
export function isOfRecords(command: string): command is RecordsCommand {
  return command in FIELDS;
}

/** @throws SipfError 'bad-input' where the records of `command` must not go to `--out`. */
export async function checkRecordsOut(
  command: RecordsCommand,
  options: object & { readonly out: string },
  config?: Config,
): Promise<void> {
  await checkOutFile({ command, out: options.out, reads: reads(options, config), fields: FIELDS[command] });
}

/** @throws SipfError 'bad-input' where a model that `command` trains must not go to `--out`. */
export async function checkModelOut(
  command: string,
  options: object & { readonly out: string },
  config: Config,
): Promise<void> {
  await checkOutModel(command, options.out, reads(options, config));
}

/** The same for the folder of a run, before its configuration is read: --out may hold one that says more. */
export async function checkRunOut(options: object, out: string): Promise<void> {
  await checkOutRun(out, reads(options, undefined));
}

function reads(options: object, config: Config | undefined): ReadPath[] {
  const named = Object.entries(options).flatMap(([option, path]): ReadPath[] => {
    const kind = OPTIONS[option];
    const flag = `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return kind === undefined || typeof path !== 'string' ? [] : [{ name: flag, path, kind }];
  });
  return [...named, ...(config === undefined ? [] : readsOf(config))];
}
