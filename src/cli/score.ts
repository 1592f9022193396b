// sipf score: paths with their steps -> the process reward model's score of each step and the first error. Leaves training the PRM to train-prm.
import { Command, Option } from 'commander';
import { z } from 'zod';
import type { ProcessRewardModel } from '../backends/backend.ts';
import { openBackend } from '../backends/open.ts';
import { SipfError } from '../errors.ts';
import { type FirstError, firstErrorAccuracy } from '../pipeline/statistics.ts';
import { openTasks } from '../tasks/index.ts';
import type { Task } from '../tasks/task.ts';
import { inBatches, namingRow, RecordId, type Row, readRows } from './jsonl.ts';
import { finish, number, withExecution } from './options.ts';
import { prmSource, type ScoreSamplesOptions, scoreSamples } from './score-samples.ts';
import { formatScores } from './show-steps.ts';
import type { Terminal } from './terminal.ts';

const ScoreLine = z.looseObject({
  id: RecordId,
  question: z.string().optional(),
  problem: z.string().optional(),
  steps: z.array(z.string()).min(1),
  /** Code that the steps go on from. */
  prefix: z.string().optional(),
  /** Index of the first wrong step; -1: none. */
  label: z.int().min(-1).nullish(),
});
type ScoreLine = z.infer<typeof ScoreLine>;

/** Paths that the model sees in one call. */
const BATCH = 16;

interface ScoreOptions extends ScoreSamplesOptions {
  readonly in?: string;
  readonly threshold: number;
}

interface ScoredRow {
  readonly id: string | number;
  readonly scores: readonly number[];
  readonly firstError: number;
}

export function scoreCommand(terminal: Terminal): Command {
  const command = withExecution(new Command('score'))
    .description(
      "A process reward model's score of each step (stage 4). Given first errors (label), ProcessBench's F1 goes to stderr.",
    )
    .option('--prm <dir>', 'process reward model: a folder that train-prm wrote')
    .option('--adapter <dir>', 'PEFT adapter folder of the model')
    .option('--in <file>', 'JSONL of {id?, question or problem, steps, label?}; - is stdin')
    .option('--task <name>', 'whose prompt and step format to use', 'gsm8k')
    .option('--threshold <p>', 'a step below this score is wrong', number({ min: 0, max: 1 }), 0.5)
    .optionsGroup("A run's records instead of --in:")
    .option('--samples <file>', 'JSONL of samples')
    .option('--out <file>', 'JSONL of step scores to write')
    .option('--questions <file>', 'JSONL of their questions, instead of --data')
    .option('--data <path>', "the task's file or folder")
    .addOption(new Option('--split <name>', 'which questions').choices(['train', 'valid', 'test']).default('train'))
    .addOption(new Option('--scorer <name>', 'what scores').choices(['prm', 'tallies', 'logprob']).default('prm'))
    .option('--labels <file>', 'JSONL of step labels, for --scorer tallies')
    .option('--model <path>', 'policy, for --scorer logprob');
  return finish(
    command.optionsGroup('Options:'),
    'print {id, scores, firstError} a line; firstError -1: none. With --samples: {out, counts}',
    'sipf score --prm runs/first/iteration-1/3-prm --in paths.jsonl --json',
    'sipf score --prm prm --samples samples.jsonl --task gsm8k --data gsm8k/train.jsonl --out scores.jsonl',
  ).action((options: ScoreOptions) => {
    if ((options.in === undefined) === (options.samples === undefined)) {
      throw new SipfError('bad-input', 'Expected either --in or --samples, got both or neither. Give one of them.');
    }
    return options.samples === undefined ? scoreFile(options, terminal) : scoreSamples(options, terminal);
  });
}

async function scoreFile(options: ScoreOptions, terminal: Terminal): Promise<void> {
  await using tasks = openTasks();
  const task = tasks.named(options.task);
  await using backend = await openBackend(options, terminal.warn);
  await using prm = await backend.openPrm(prmSource(options));
  const progress = terminal.progress({ title: 'score', unit: 'paths' });
  const judged: FirstError[] = [];
  let done = 0;
  try {
    for await (const rows of inBatches(readRows(options.in ?? '-', ScoreLine, terminal.signal), BATCH)) {
      for (const [i, scored] of (await scoreRows(prm, task, rows, options.threshold, terminal.signal)).entries()) {
        const { label } = rows[i]!.value;
        if (typeof label === 'number') judged.push({ predicted: scored.firstError, label });
        const text = options.json ? JSON.stringify(scored) : `${scored.id}  ${formatScores(scored, terminal.colors)}`;
        await terminal.print(text);
      }
      done += rows.length;
      progress.update(done);
    }
  } finally {
    progress.end();
  }
  if (judged.length > 0) reportF1(judged, options.threshold, terminal);
}

async function scoreRows(
  prm: ProcessRewardModel,
  task: Task,
  rows: readonly Row<ScoreLine>[],
  threshold: number,
  signal: AbortSignal,
): Promise<ScoredRow[]> {
  const pathOf = ({ place, value }: Row<ScoreLine>) => {
    const question = value.question ?? value.problem;
    if (question === undefined) {
      throw new SipfError(
        'bad-input',
        `${place}: Expected the field question or problem, got neither. Mend that line.`,
      );
    }
    const { label, steps, prefix } = value;
    if (typeof label === 'number' && label >= steps.length) {
      throw new SipfError(
        'bad-input',
        `${place}, field "label": Expected -1 or the index of one of ${steps.length} steps, got ${label}. Mend that line.`,
      );
    }
    return { prompt: task.prompt({ question, prefix }), steps: task.pieces(steps) };
  };
  const scores = await namingRow(rows, (some) => prm.score(some.map(pathOf), { signal }));
  return rows.map(({ index, value }, i) => ({
    id: value.id ?? index,
    scores: scores[i]!,
    firstError: scores[i]!.findIndex((p) => p < threshold),
  }));
}

function reportF1(judged: readonly FirstError[], threshold: number, terminal: Terminal): void {
  const { f1, wrong, right } = firstErrorAccuracy(judged);
  const percent = (value: number | undefined | null) =>
    value === undefined || value === null ? '-' : `${(100 * value).toFixed(1)} %`;
  terminal.log(
    `ProcessBench F1 ${percent(f1)} at threshold ${threshold}: first error found in ${percent(wrong?.value)} of ${wrong?.n ?? 0} wrong paths, ` +
      `no error found in ${percent(right?.value)} of ${right?.n ?? 0} right paths`,
  );
}
