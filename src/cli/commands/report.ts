// sipf report: one run or two -> one HTML file with tables, curves and some paths, or its data.
import { Command } from 'commander';
import { SipfError } from '../../errors.ts';
import { writeFileAtomically } from '../../io/files.ts';
import { checkOutText } from '../../pipeline/out-paths.ts';
import { readPage } from '../../viewer/http/page-file.ts';
import { reportData } from '../../viewer/report/report-data.ts';
import { REPORT_ELEMENT, reportHtml } from '../../viewer/report/report-html.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { withRuns } from './view.ts';

interface ReportFlags {
  readonly out?: string;
  readonly json?: boolean;
}

export function reportCommand(terminal: Terminal): Command {
  const command = new Command('report')
    .description(
      'Write a run as one HTML file that needs no server: rounds, curves, scores, training, some paths; of two runs their comparison.',
    )
    .argument('<run>', 'run directory')
    .argument('[second]', 'another one, to compare the first with')
    .option('--out <file>', 'the .html file to write (needed without --json)');
  return finish(
    command,
    'print the data of the report: {answers, samples}',
    'sipf report runs/first --out report.html',
    'sipf report runs/sipf runs/online-rft --out report.html',
    'sipf report runs/first --json > report.json',
  ).action((first: string, second: string | undefined, flags: ReportFlags) =>
    report(second === undefined ? [first] : [first, second], flags, terminal),
  );
}

async function report(dirs: readonly string[], { out, json }: ReportFlags, terminal: Terminal): Promise<void> {
  if (out === undefined && json !== true)
    throw new SipfError('bad-input', 'Expected --out FILE or --json, got neither. Name the file to write.');
  if (out !== undefined) await checkOutText('report', out, REPORT_ELEMENT);
  const page = await readPage();
  const data = await withRuns(dirs, (runs) => reportData(runs, terminal.signal));
  if (out !== undefined) {
    await writeFileAtomically(out, [reportHtml(page, data)]);
    terminal.log(`The report is in ${out}. It needs no server: open it in a browser.`);
  }
  if (json === true) await terminal.print(JSON.stringify(data));
}
