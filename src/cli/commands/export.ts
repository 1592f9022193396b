// sipf export: a run, or a model -> weights and data sets in the forms that other programs read.
import { basename, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { EXPORT_DTYPES, EXPORT_KINDS, type ModelExport } from '../../backend.ts';
import { Provider } from '../../engine-settings.ts';
import { SipfError } from '../../errors.ts';
import { publicId } from '../../io/hub-name.ts';
import { checkRowsFile, writeRows } from '../../io/rows-writer.ts';
import { DATA_FORMS, type DataForm, dataSetOf } from '../../pipeline/data-sets/from-run.ts';
import { modelCard } from '../../pipeline/model-card.ts';
import { checkOutNew } from '../../pipeline/out-paths.ts';
import { modelOfRun } from '../../pipeline/run-models.ts';
import { readRun } from '../../pipeline/run-reader.ts';
import type { ModelSource } from '../../records.ts';
import { openTasks } from '../../tasks/index.ts';
import { openEngine } from '../engine.ts';
import { finish, integer } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface ExportOptions {
  readonly to: ModelExport['to'] | DataForm;
  readonly out: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly prm?: boolean;
  readonly iteration?: number;
  readonly base?: string;
  readonly license?: string;
  readonly dtype?: NonNullable<ModelExport['dtype']>;
  readonly provider?: Provider;
  readonly json?: boolean;
}

export function exportCommand(terminal: Terminal): Command {
  const command = new Command('export')
    .description(
      'Write a policy or a process reward model as transformers, PEFT, vLLM or llama.cpp read it, or the records of a run as a data set.',
    )
    .argument('[run]', 'run directory (or --model)')
    .addOption(
      new Option('--to <form>', 'what to write (docs/export.md)')
        .choices([...EXPORT_KINDS, ...DATA_FORMS])
        .makeOptionMandatory(),
    )
    .requiredOption(
      '--out <path>',
      'a new folder; a new .gguf file (gguf, gguf-lora); a new .jsonl or .parquet file (data sets)',
    )
    .option('--iteration <k>', 'model of this round (default: the last one that has one)', integer({ min: 0 }))
    .option('--prm', "the round's process reward model (always with prm-lm)")
    .option('--model <path>', 'a model instead of a run: folder, .gguf file or hub id')
    .option('--adapter <dir>', 'PEFT adapter folder, with --model')
    .option('--base <name>', 'hub id or path by which others find the base (default: its own hub id)')
    .option('--license <id>', "license in the front matter of README.md, by the hub's name of it")
    .addOption(
      new Option(
        '--dtype <type>',
        'number type of the weights: merged (default: as the model has them), prm-lm (f32), gguf (f16)',
      ).choices(EXPORT_DTYPES),
    )
    .addOption(new Option('--provider <name>', 'where an adapter is added to its base').choices(Provider.options));
  return finish(
    command,
    'print {to, out, model, adapter, iteration, warnings}',
    'sipf export runs/first --to peft --base HuggingFaceTB/SmolLM2-135M --out adapter',
    'sipf export runs/first --to gguf --dtype q8_0 --out policy.gguf',
    'sipf export runs/first --to preference --out pairs.parquet',
    'sipf export --model ./SmolLM2-135M --adapter runs/first/iteration-1/6-policy --to merged --out merged',
  ).action((run: string | undefined, options: ExportOptions) => exportAny(run, options, terminal));
}

/** Options that some forms alone take. */
const TAKEN: readonly (readonly [option: keyof ExportOptions, by: readonly ExportOptions['to'][]])[] = [
  ['model', EXPORT_KINDS],
  ['adapter', EXPORT_KINDS],
  ['prm', EXPORT_KINDS],
  ['dtype', EXPORT_KINDS],
  ['provider', EXPORT_KINDS],
  ['base', ['peft', 'merged', 'prm-lm']],
  ['license', ['peft', 'merged', 'prm-lm']],
];

/** @throws SipfError 'bad-input' where --out or another option does not suit the form. */
async function exportAny(run: string | undefined, options: ExportOptions, terminal: Terminal): Promise<void> {
  const { to } = options;
  const idle = TAKEN.find(([option, by]) => options[option] !== undefined && !by.includes(to));
  if (idle !== undefined)
    throw new SipfError('bad-input', `Expected no --${idle[0]} for --to ${to}, got it. Leave it out.`);
  if (isDataForm(to)) await exportData(run, to, options, terminal);
  else await exportModel(run, to, options, terminal);
}

const isDataForm = (to: ExportOptions['to']): to is DataForm => DATA_FORMS.some((form) => form === to);

/** Records of a run as the rows of a data set. */
async function exportData(
  run: string | undefined,
  to: DataForm,
  options: ExportOptions,
  terminal: Terminal,
): Promise<void> {
  const { out, iteration } = options;
  if (run === undefined)
    throw new SipfError('bad-input', `Expected a run for --to ${to}, got none. Give its directory.`);
  checkRowsFile(out);
  const view = await readRun(run);
  await checkOutNew('export', out, []);
  await using tasks = openTasks();
  const rows = await dataSetOf(view, to, tasks.named(view.config.task.name), iteration);
  await writeRows(out, rows);
  if (options.json) await terminal.print(JSON.stringify({ to, out, rows: rows.length }));
  else terminal.log(`Wrote ${rows.length} rows to ${out}.`);
}

async function exportModel(
  run: string | undefined,
  to: ModelExport['to'],
  options: ExportOptions,
  terminal: Terminal,
): Promise<void> {
  const { out, dtype, provider, license = null } = options;
  const isFile = to === 'gguf' || to === 'gguf-lora';
  if (isFile !== out.endsWith('.gguf'))
    throw new SipfError(
      'bad-input',
      `Expected ${isFile ? 'a .gguf file' : 'a folder'} as --out for --to ${to}, got ${out}. Name one.`,
    );
  const isPrm = options.prm === true || to === 'prm-lm';
  const { source, from, iteration, start } = await sourceOf(run, options, isPrm);
  await checkOutNew(
    'export',
    out,
    [source.model, source.adapter].filter((path) => path !== undefined),
  );
  const base = options.base ?? (start === null ? null : await publicId(start));
  await using tasks = openTasks();
  const title = basename(resolve(out));
  const card = modelCard({ title, to, isPrm, base, license, from: from && { ...from, tasks } });
  await using backend = await openEngine(provider === undefined ? {} : { provider }, terminal);
  const job = { to, out, dtype, base: base ?? undefined, card };
  const warnings = await backend.exportModel(source, job, { signal: terminal.signal });
  if (options.json) await terminal.print(JSON.stringify({ to, out, ...source, iteration, warnings }));
  else
    terminal.log(
      `Wrote ${out}${iteration === null ? '' : `, ${isPrm ? 'the PRM' : 'the policy'} of round ${iteration}`}.`,
    );
}

/**
 * What is exported, and what it was trained from: `start`, null where that was made by the run.
 * @throws SipfError 'bad-input' where there is neither a run nor a model, or both.
 */
async function sourceOf(run: string | undefined, { model, adapter, iteration }: ExportOptions, isPrm: boolean) {
  if (run === undefined && model !== undefined) {
    const source: ModelSource = { model, ...(adapter === undefined ? {} : { adapter }) };
    return { source, from: null, iteration: null, start: model };
  }
  if (run === undefined || model !== undefined)
    throw new SipfError(
      'bad-input',
      `Expected a run or --model, got ${run === undefined ? 'neither' : 'both'}. Give one of them.`,
    );
  if (adapter !== undefined)
    throw new SipfError('bad-input', 'Expected --adapter with --model, got it with a run. Leave it out.');
  const view = await readRun(run);
  const found = modelOfRun(view, isPrm ? 'prm' : 'policy', iteration);
  const { verifier } = view.config;
  const configured = isPrm && verifier !== 'self' ? verifier.model : view.config.model;
  const start = typeof configured === 'string' ? configured : null;
  return { source: found.source, from: { ...view, ...found }, iteration: found.iteration, start };
}
