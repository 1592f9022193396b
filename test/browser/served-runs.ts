// A folder -> real runs in it (sums, programs, a broken one), served as `sipf view` serves them.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { parseConfig } from '../../src/config/load.ts';
import { runLoop } from '../../src/pipeline/run-loop.ts';
import type { Task } from '../../src/task.ts';
import { createCode } from '../../src/tasks/code/code-tasks.ts';
import { answersFrom } from '../../src/viewer/answers.ts';
import { type PageServer, servePage } from '../../src/viewer/http/serve-page.ts';
import type { OpenRun } from '../../src/viewer/open-run.ts';
import { openRun } from '../../src/viewer/open-run-index.ts';
import { pythonSandbox } from '../python-sandbox.ts';
import { scoreCode, writeCode, writeCodeData } from '../scripted-code.ts';
import { sumsTask } from '../scripted-sums.ts';
import { viewerRun } from '../viewer-run.ts';
import { pageText } from './fake-server.ts';

/** A round of programs with their tests, graded by python3. */
export async function makeCodeRun(folder: string): Promise<string> {
  const [data, out] = [join(folder, 'data'), join(folder, 'code')];
  await writeCodeData(data, 8);
  const config = parseConfig({
    model: { init: {} },
    task: { name: 'code', data, limit: 8 },
    iterations: 1,
    sampling: { samples: 6 },
    labels: { K: 2, heldOut: 0.3 },
    pairs: { eta: 0.01 },
    evaluate: { sets: [{ split: 'valid', limit: 4 }], final: [{ split: 'test', limit: 4 }], logpPairs: 4 },
  });
  const backend = createScriptedBackend({ write: writeCode, score: scoreCode });
  await runLoop({ config, out, backend, tasks: () => codeTask() });
  return out;
}

function codeTask(): Task {
  const sandbox = pythonSandbox({ made: 0, disposed: 0, graded: 0 });
  return { ...createCode({ sandbox }), tokenizer: sumsTask.tokenizer! };
}

export async function makeSumsRun(folder: string, name: string, seed: number): Promise<string> {
  const out = join(folder, name);
  await viewerRun(out, { seed });
  return out;
}

/** The same run with a line of its scores cut short. */
export async function breakRun(run: string): Promise<string> {
  const out = `${run}-broken`;
  await cp(run, out, { recursive: true });
  const scores = join(out, 'iteration-1', '4-scores.jsonl');
  const lines = (await readFile(scores, 'utf8')).split('\n');
  lines[2] = '{"sampleId": 12, "scores": [';
  await writeFile(scores, lines.join('\n'));
  return out;
}

export interface Served extends AsyncDisposable {
  readonly url: string;
}

/** Keeps indexes below `cache`. */
async function openRuns(dirs: readonly string[], cache: string): Promise<readonly OpenRun[]> {
  const tasks = (name: string) => (name === 'sums' ? sumsTask : codeTask());
  const runs: OpenRun[] = [];
  for (const dir of dirs) runs.push(await openRun(dir, { cache, tasks }));
  return runs;
}

export async function serveRuns(dirs: readonly string[], cache: string): Promise<Served> {
  const runs = await openRuns(dirs, cache);
  const server: PageServer = await servePage(answersFrom(runs), { html: pageText(), port: 0, log: () => undefined });
  return {
    url: server.url,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      for (const run of runs) await run[Symbol.asyncDispose]();
    },
  };
}
