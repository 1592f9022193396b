// sipf score: paths with their steps -> the score of each step and the first error, by any scorer of the loop. Leaves training a PRM to train-prm.
import { Command, Option } from 'commander';
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { jsonText } from '../../io/exact-json.ts';
import { inBatches, namingRow, RecordId, type Row, readRows } from '../../io/jsonl.ts';
import { type ScoreContext, scoreUnit } from '../../method/score.ts';
import { scorerNeeds } from '../../method/scorers.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import { type Question, type Sample, StepScores } from '../../records.ts';
import { type FirstError, firstErrorAccuracy } from '../../statistics/prm-figures.ts';
import { type Task, taskOf } from '../../task.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, number, withExecution } from '../options.ts';
import { withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { openNamedScorer, openScoreStage, type ScoreStage } from './open-scorer.ts';
import { type ScoreSamplesOptions, scoreSamples, warnOfTooLong } from './score-samples.ts';
import { formatScores } from './show-steps.ts';
import { loadQuestions, openPrompt, splitOption } from './stage.ts';

const ScoreLine = z.looseObject({
  id: RecordId,
  /** Of a mixture: whose question it is. */
  task: z.string().optional(),
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
  readonly id: RecordId;
  /** null: the path is too long for the model. */
  readonly scores: readonly number[] | null;
  readonly firstError: number | null;
}

export function scoreCommand(terminal: Terminal): Command {
  const described = new Command('score').description(
    "The score of each step of given paths (stage 4), by a process reward model or another scorer. Given first errors (label), ProcessBench's F1 goes to stderr.",
  );
  const command = withSettings(withExecution(described), ['task', 'prompt', 'labels', 'score'])
    .option('--prm <dir>', 'process reward model: a folder that train-prm wrote')
    .option('--model <path>', 'policy, for the scorers logprob and prm-logprob')
    .option('--adapter <dir>', 'PEFT adapter folder of --prm, or of --model for logprob')
    .option('--in <file>', 'JSONL of {id?, question or problem, steps, label?}; - is stdin')
    .option('--task <name>', 'whose prompt and step format to use (default: gsm8k)')
    .option('--threshold <p>', 'a step below this score is wrong', number({ min: 0, max: 1 }), 0.5)
    .addOption(
      new Option('--scorer <name>', 'what scores (default: prm, or as configured)').choices(
        StepScores.shape.scorer.options,
      ),
    )
    .option('--calibration <file>', "weights of prm-logprob: a run's 4-calibration.json")
    .optionsGroup("A run's records instead of --in:")
    .option('--samples <file>', 'JSONL of samples')
    .option('--out <file>', 'JSONL of step scores to write')
    .option('--questions <file>', 'JSONL of their questions, instead of --data')
    .option('--data <path>', "the task's file or folder")
    .addOption(splitOption())
    .option('--labels <file>', 'JSONL of step labels: for tallies, and to fit the weights of prm-logprob on');
  return finish(
    command.optionsGroup('Options:'),
    'print {id, scores, firstError} a line; firstError -1: none; both null: too long. With --samples: {out, counts}',
    'sipf score --prm runs/first/iteration-1/3-prm --in paths.jsonl --json',
    'sipf score --prm prm --samples samples.jsonl --task gsm8k --data gsm8k/train.jsonl --out scores.jsonl',
    'sipf score --scorer prm-logprob --prm prm --model sft --calibration 4-calibration.json --in paths.jsonl',
  ).action((options: ScoreOptions) => {
    if ((options.in === undefined) === (options.samples === undefined)) {
      throw new SipfError('bad-input', 'Expected either --in or --samples, got both or neither. Give one of them.');
    }
    return options.samples === undefined
      ? scoreFile(command, options, terminal)
      : scoreSamples(command, options, terminal);
  });
}

async function scoreFile(command: Command, options: ScoreOptions, terminal: Terminal): Promise<void> {
  await using stage = await openScoreStage(command, options);
  requireScorerOfPaths(stage);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  // Paths bring their questions: others are needed for worked examples only.
  const { shots, shotsFile } = stage.config.prompt;
  const questions = shots > 0 && shotsFile === null ? await loadQuestions(stage, options) : [];
  const { prompt } = await openPrompt({ stage, options, questions, backend });
  await using scorer = await openNamedScorer({ backend, stage, prompt, options, labelled: null }, terminal);
  const context = { scorer, task: stage.task, prompt, signal: terminal.signal };
  const progress = terminal.progress({ title: 'score', unit: 'paths' });
  const judged: FirstError[] = [];
  let [done, tooLong] = [0, 0];
  try {
    for await (const rows of inBatches(readRows(options.in ?? '-', ScoreLine, terminal.signal), BATCH)) {
      for (const [i, scored] of (await scoreRows(rows, context, options.threshold)).entries()) {
        const { label } = rows[i]!.value;
        if (scored.firstError === null) tooLong += 1;
        else if (typeof label === 'number') judged.push({ predicted: scored.firstError, label });
        const text = options.json ? jsonText(scored) : `${scored.id}  ${formatScores(scored, terminal.colors)}`;
        await terminal.print(text);
      }
      done += rows.length;
      progress.update(done);
    }
  } finally {
    progress.end();
  }
  warnOfTooLong(tooLong, terminal);
  if (judged.length > 0) reportF1(judged, options.threshold, terminal);
}

function requireScorerOfPaths({ kind }: ScoreStage): void {
  const needsTallies = scorerNeeds(kind, 'tallies');
  if (!needsTallies && !scorerNeeds(kind, 'outcome')) return;
  throw new SipfError(
    'bad-input',
    `Expected a scorer of steps for --in, got ${kind}, which reads a run's records. Give --samples${needsTallies ? ' and --labels' : ''}.`,
  );
}

async function scoreRows(
  rows: readonly Row<ScoreLine>[],
  context: ScoreContext,
  threshold: number,
): Promise<ScoredRow[]> {
  const records = await namingRow(rows, async (some) => {
    const scored = await scoreUnit(
      some.map((row) => itemOf(row, context.task)),
      context,
    );
    return scored.records;
  });
  return rows.map(({ index, value }, i) => {
    const scores = records[i]!.scores;
    const firstError = scores === null ? null : scores.findIndex((p) => p < threshold);
    return { id: value.id ?? index, scores, firstError };
  });
}

/** A line as a question with one sample; what no scorer of steps reads is left empty. */
function itemOf({ place, index, value }: Row<ScoreLine>, task: Task): LabelledQuestion {
  const { label, steps, prefix } = value;
  const text = value.question ?? value.problem;
  if (text === undefined) {
    throw new SipfError('bad-input', `${place}: Expected the field question or problem, got neither. Fix that line.`);
  }
  if (typeof label === 'number' && label >= steps.length) {
    throw new SipfError(
      'bad-input',
      `${place}, field "label": Expected -1 or the index of one of ${steps.length} steps, got ${label}. Fix that line.`,
    );
  }
  // Lines may share an id; their places differ.
  const id = String(index);
  const name = taskOf(task, value).name;
  const question: Question = {
    id,
    task: name,
    question: text,
    answer: '',
    ...(prefix === undefined ? {} : { prefix }),
  };
  const sample: Sample = {
    id,
    questionId: id,
    source: 'policy',
    iteration: 0,
    index: 0,
    policy: null,
    steps,
    finishReason: 'stop',
    tokens: 0,
    sumLogp: null,
    extracted: null,
    outcome: { kind: 'wrong', reason: 'no-answer' },
  };
  return { question, samples: [sample], labels: [] };
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
