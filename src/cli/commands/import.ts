// sipf import: a data set -> the questions, or the samples and labels, that other commands read.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { writeNew } from '../../io/files.ts';
import { writeRows } from '../../io/rows-writer.ts';
import { IMPORT_FORMS, type ImportForm, importRows } from '../../pipeline/data-sets/to-records.ts';
import { checkOutNew } from '../../pipeline/out-paths.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface ImportOptions {
  readonly from: ImportForm;
  readonly in: string;
  readonly out: string;
  readonly json?: boolean;
}

export function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('Read a data set, and write its questions.jsonl, or its samples.jsonl and labels.jsonl.')
    .addOption(
      new Option('--from <form>', 'how the rows are written (docs/export.md)')
        .choices([...IMPORT_FORMS])
        .makeOptionMandatory(),
    )
    .requiredOption('--in <file>', 'JSONL, a .json array, or Parquet')
    .requiredOption('--out <dir>', 'a new folder');
  return finish(
    command,
    'print {questions, samples, labels, unlabelled}',
    'sipf import --from processbench --in gsm8k.parquet --out processbench',
    'sipf train-prm --task math --in processbench/labels.jsonl --samples processbench/samples.jsonl --model M --labels.closure none --out prm',
  ).action((options: ImportOptions) => importData(options, terminal));
}

async function importData({ from, in: file, out, json }: ImportOptions, terminal: Terminal): Promise<void> {
  await checkOutNew('import', out, []);
  const { unlabelled, ...lists } = await importRows(file, from, terminal.signal);
  const written = Object.entries(lists).filter(([, records]) => records.length > 0);
  await writeNew(out, async (folder) => {
    for (const [name, records] of written)
      await writeRows(
        join(folder, `${name}.jsonl`),
        records.map((record) => ({ ...record })),
      );
  });
  if (unlabelled > 0)
    terminal.warn(
      `${unlabelled} of ${lists.samples.length} rows have steps without a label: they have no labels here.`,
    );
  const counts = Object.fromEntries(Object.entries(lists).map(([name, records]) => [name, records.length]));
  if (json) await terminal.print(JSON.stringify({ ...counts, unlabelled }));
  else terminal.log(`Wrote ${written.map(([name, records]) => `${records.length} ${name}`).join(' and ')} to ${out}.`);
}
