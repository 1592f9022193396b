// A program and its words -> results on stdout, the rest on stderr, an exit code (0, 1, 2 or 130).
// 0: done; 1: a bug; 2: the user can fix it; 130: stopped.
import { Console } from 'node:console';
import { CommanderError } from 'commander';
import { SipfError } from '../errors.ts';
import { bugReport } from './bug-report.ts';
import {
  type Interrupts,
  leave,
  listenForInterrupts,
  openTerminal,
  type ProcessTerminal,
  type Terminal,
} from './terminal.ts';

/** Runs one command line (without node and script) and ends the process with its exit code. `name` stands before error messages. */
export async function execute(
  name: string,
  run: (terminal: Terminal, argv: readonly string[]) => Promise<unknown>,
): Promise<never> {
  // A library that prints must not spoil stdout, which holds results only.
  globalThis.console = new Console(process.stderr, process.stderr);
  const interrupts = listenForInterrupts();
  const code = await codeOf(name, run, interrupts);
  // What is still in a pipe goes out first; worker threads need no farewell.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  leave(code);
}

async function codeOf(name: string, run: Parameters<typeof execute>[1], interrupts: Interrupts): Promise<number> {
  const terminal = openTerminal(interrupts.signal);
  try {
    await run(terminal, process.argv.slice(2));
    const interrupted = terminal.isStopTheEnd() ? null : interrupts.exitCode();
    return interrupted ?? Number(process.exitCode ?? 0);
  } catch (error) {
    return report(name, error, interrupts.exitCode(), terminal);
  }
}

function report(name: string, error: unknown, interrupted: number | null, terminal: ProcessTerminal): number {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (interrupted !== null) {
    terminal.log(`Stopped on request. ${terminal.stopAdvice()}`);
    return interrupted;
  }
  if (error instanceof SipfError) {
    terminal.log(`${name}: ${error.message}`);
    return 2;
  }
  for (const line of bugReport(name, error, process.argv.slice(2))) terminal.log(line);
  return 1;
}
