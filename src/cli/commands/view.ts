// sipf view: runs -> a page on this machine that shows what happened there, until it is stopped.
import { once } from 'node:events';
import { Command } from 'commander';
import { answersFrom } from '../../viewer/answers.ts';
import { readPage } from '../../viewer/http/page-file.ts';
import { servePage } from '../../viewer/http/serve-page.ts';
import type { OpenRun } from '../../viewer/open-run.ts';
import { openRun } from '../../viewer/open-run-index.ts';
import { finish, integer } from '../options.ts';
import type { Terminal } from '../terminal.ts';

interface ViewFlags {
  readonly port: number;
  readonly json?: boolean;
}

export function viewCommand(terminal: Terminal): Command {
  const command = new Command('view')
    .description(
      'Show runs on a local page: rounds, questions, paths with step scores and tallies, pairs, training (docs/view.md).',
    )
    .argument('<runs...>', 'run directories, also of runs that are not finished')
    .option('--port <n>', '0: one that is free', integer({ min: 0, max: 65_535 }), 0);
  return finish(
    command,
    'print {url} once it listens',
    'sipf view runs/first',
    'sipf view runs/sipf runs/online-rft --port 8080',
  ).action((dirs: readonly string[], flags: ViewFlags) => view(dirs, flags, terminal));
}

async function view(dirs: readonly string[], { port, json }: ViewFlags, terminal: Terminal): Promise<void> {
  terminal.endsByStop();
  const html = await readPage();
  await withRuns(dirs, async (runs) => {
    const { log } = terminal;
    await using server = await servePage(answersFrom(runs), { html, port, log });
    terminal.log('Open this address in a browser of this machine. Ctrl-C ends it.');
    await terminal.print(json ? JSON.stringify({ url: server.url }) : server.url);
    if (!terminal.signal.aborted) await once(terminal.signal, 'abort');
  });
}

/** Opens runs for `use`, and closes them behind it. */
export async function withRuns<T>(dirs: readonly string[], use: (runs: readonly OpenRun[]) => Promise<T>): Promise<T> {
  const runs: OpenRun[] = [];
  try {
    for (const dir of dirs) runs.push(await openRun(dir));
    return await use(runs);
  } finally {
    for (const run of runs) await run[Symbol.asyncDispose]();
  }
}
