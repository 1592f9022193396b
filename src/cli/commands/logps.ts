// sipf logps: prompts with completions -> the model's log-probabilities of the completions' tokens.

import { Command } from 'commander';
import { z } from 'zod';
import type { ContextPiece, Policy } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { jsonText } from '../../io/exact-json.ts';
import { namingRow, RecordId, type Row, readRows } from '../../io/jsonl.ts';
import { inUnits } from '../../run/units.ts';
import { mean, sum } from '../../statistics/intervals.ts';
import { openEngine, readEngine } from '../engine.ts';
import { finish, type ModelOptions, modelSource, withModel } from '../options.ts';
import type { Terminal } from '../terminal.ts';

const TokenIds = z.array(z.int().min(0));
const LogpsLine = z.looseObject({
  id: RecordId,
  prompt: z.string().optional(),
  completion: z.string().optional(),
  promptIds: TokenIds.optional(),
  completionIds: TokenIds.optional(),
});
type LogpsLine = z.infer<typeof LogpsLine>;

/** Rows that the model sees in one call. */
const BATCH = 32;

interface LogpsOptions extends ModelOptions {
  readonly in: string;
  readonly json?: boolean;
}

export function logpsCommand(terminal: Terminal): Command {
  const command = withModel(
    new Command('logps').description(
      "Log-probabilities of given completions under the raw model, in the input's order.",
    ),
  ).requiredOption('--in <file>', 'JSONL of {promptIds, completionIds} or {prompt, completion}; - is stdin');
  return finish(
    command,
    'print {id, logps, sum, mean} a line',
    'sipf logps --model ./SmolLM2-135M --in pairs.jsonl --json',
    `echo '{"prompt": "2 + 2 =", "completion": " 4"}' | sipf logps --model ./SmolLM2-135M --in - --json`,
  ).action((options: LogpsOptions) => logps(command, options, terminal));
}

async function logps(command: Command, options: LogpsOptions, terminal: Terminal): Promise<void> {
  await using backend = await openEngine(await readEngine(command, options), terminal);
  await using policy = await backend.openPolicy(modelSource(options));
  using progress = terminal.progress({ title: 'logps', unit: 'rows' });
  let done = 0;
  for await (const rows of inUnits(readRows(options.in, LogpsLine, terminal.signal), BATCH)) {
    for (const line of await measure(policy, rows, terminal.signal)) {
      const { id, sum, mean } = line;
      const text = `${id}  sum ${sum.toFixed(3)}  mean ${mean?.toFixed(4) ?? '-'}`;
      await terminal.print(options.json ? jsonText(line) : text);
    }
    done += rows.length;
    progress.update(done);
  }
  if (done === 0)
    throw new SipfError('bad-input', `Expected completions in ${options.in}, got an empty file. Name another one.`);
}

async function measure(policy: Policy, rows: readonly Row<LogpsLine>[], signal: AbortSignal) {
  const values = await namingRow(rows, (some) => policy.logps(some.map(itemOf), { signal }));
  return rows.map(({ index, value }, i) => {
    const logps = (values[i] ?? []).filter((logp) => logp !== null);
    return { id: value.id ?? index, logps, sum: sum(logps), mean: logps.length > 0 ? mean(logps) : null };
  });
}

function itemOf({ place, value }: Row<LogpsLine>): { context: ContextPiece[]; completion: ContextPiece } {
  const { prompt, completion, promptIds, completionIds } = value;
  const texts = prompt !== undefined && completion !== undefined;
  const ids = promptIds !== undefined && completionIds !== undefined;
  if (texts && !promptIds && !completionIds) return { context: [prompt], completion };
  if (ids && prompt === undefined && completion === undefined)
    return { context: [promptIds], completion: completionIds };
  const fields = ['prompt', 'completion', 'promptIds', 'completionIds'].filter((name) => name in value);
  throw new SipfError(
    'bad-input',
    `${place}: Expected the fields prompt and completion, or promptIds and completionIds, got ${fields.join(', ') || 'none of them'}. Fix that line.`,
  );
}
