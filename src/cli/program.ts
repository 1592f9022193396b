// A terminal -> the whole command line as commander sees it.
import { Command } from 'commander';
import { ownPackage } from './bug-report.ts';
import { compareCommand } from './commands/compare.ts';
import { doctorCommand } from './commands/doctor.ts';
import { evalCommand } from './commands/eval.ts';
import { experimentCommand } from './commands/experiment.ts';
import { exportCommand } from './commands/export.ts';
import { generateCommand } from './commands/generate.ts';
import { gradeCommand } from './commands/grade.ts';
import { importCommand } from './commands/import.ts';
import { logpsCommand } from './commands/logps.ts';
import { presetsCommand } from './commands/presets.ts';
import { reportCommand } from './commands/report.ts';
import { runCommand } from './commands/run.ts';
import { serveCommand } from './commands/serve.ts';
import { showCommand } from './commands/show.ts';
import { STAGES } from './commands/stages.ts';
import { viewCommand } from './commands/view.ts';
import { helpCommand, inThisPlace } from './help.ts';
import type { Terminal } from './terminal.ts';

/** In the order of the help. */
const COMMANDS = [
  runCommand,
  presetsCommand,
  experimentCommand,
  ...STAGES,
  evalCommand,
  generateCommand,
  logpsCommand,
  serveCommand,
  gradeCommand,
  exportCommand,
  importCommand,
  showCommand,
  viewCommand,
  compareCommand,
  reportCommand,
  doctorCommand,
];

/** The program. Errors of usage are thrown as CommanderError after their message went to stderr. */
export function buildProgram(terminal: Terminal): Command {
  const program = new Command('sipf')
    .description('Small language models that learn to reason from their own process feedback.')
    .version(ownPackage().version, '-V, --version')
    .addHelpText(
      'after',
      inThisPlace(
        '\nExamples:\n  $ sipf run --preset smoke --out runs/first\n  $ sipf show runs/first\n  $ sipf presets                     what there is, and what it costs\n  $ sipf help sampling.temperature   what a setting means',
      ),
    );
  for (const build of COMMANDS) program.addCommand(build(terminal));
  program.helpCommand(false).addCommand(helpCommand(program));
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .showHelpAfterError('(--help shows the options and an example)')
      .configureHelp({ helpWidth: process.stdout.columns ?? 100 });
  }
  return program;
}
