// sipf import: a data set with labelled steps -> samples and labels that the stages read.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { writeRows } from '../../io/rows-writer.ts';
import { STEP_FORMS, type StepFormName } from '../../pipeline/data-sets/step-data.ts';
import { importSteps } from '../../pipeline/data-sets/to-records.ts';
import { checkOutNew } from '../../pipeline/out-paths.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface ImportOptions {
  readonly from: StepFormName;
  readonly in: string;
  readonly out: string;
  readonly json?: boolean;
}

export function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('Read a data set whose steps have labels, and write its samples.jsonl and labels.jsonl.')
    .addOption(
      new Option('--from <form>', 'how the rows are written').choices(Object.keys(STEP_FORMS)).makeOptionMandatory(),
    )
    .requiredOption('--in <file>', 'JSONL, a .json array, or Parquet')
    .requiredOption('--out <dir>', 'a new folder');
  return finish(
    command,
    'print {samples, labels, unlabelled}',
    'sipf import --from processbench --in gsm8k.parquet --out processbench',
    'sipf train-prm --task math --in processbench/labels.jsonl --samples processbench/samples.jsonl --model M --labels.closure none --out prm',
  ).action((options: ImportOptions) => importData(options, terminal));
}

async function importData({ from, in: file, out, json }: ImportOptions, terminal: Terminal): Promise<void> {
  await checkOutNew('import', out, []);
  const { samples, labels, unlabelled } = await importSteps(file, from, terminal.signal);
  await writeRows(join(out, 'samples.jsonl'), samples);
  await writeRows(
    join(out, 'labels.jsonl'),
    labels.map((record) => ({ ...record })),
  );
  if (unlabelled > 0)
    terminal.warn(`${unlabelled} of ${samples.length} rows have steps without a label: they have no labels here.`);
  if (json) await terminal.print(JSON.stringify({ samples: samples.length, labels: labels.length, unlabelled }));
  else terminal.log(`Wrote ${samples.length} samples and ${labels.length} records of labels to ${out}.`);
}
