// A terminal -> the whole command line as commander sees it. Leaves each command to its own file.
import { Command } from 'commander';
import { alignCommand } from './align.ts';
import { benchCommand } from './bench.ts';
import { ownPackage } from './bug-report.ts';
import { doctorCommand } from './doctor.ts';
import { evalCommand } from './eval.ts';
import { generateCommand } from './generate.ts';
import { gradeCommand } from './grade.ts';
import { helpCommand, inThisPlace } from './help.ts';
import { labelCommand } from './label.ts';
import { logpsCommand } from './logps.ts';
import { pairCommand } from './pair.ts';
import { runCommand } from './run.ts';
import { sampleCommand } from './sample.ts';
import { scoreCommand } from './score.ts';
import { sftCommand } from './sft.ts';
import { showCommand } from './show.ts';
import type { Terminal } from './terminal.ts';
import { trainPrmCommand } from './train-prm.ts';

/** In the order of the help. */
const COMMANDS = [
  runCommand,
  sampleCommand,
  labelCommand,
  trainPrmCommand,
  scoreCommand,
  pairCommand,
  alignCommand,
  sftCommand,
  evalCommand,
  generateCommand,
  logpsCommand,
  gradeCommand,
  showCommand,
  benchCommand,
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
        '\nExamples:\n  $ sipf run --preset smoke --out runs/first\n  $ sipf show runs/first\n  $ sipf help presets                what each preset does\n  $ sipf help sampling.temperature   what a setting means',
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
