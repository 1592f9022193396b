// sipf score: a file of paths, or a run's samples -> step scores by any scorer of the loop.
import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import type { z } from 'zod';
import { engineOf } from '../../config/engine.ts';
import type { Config } from '../../config/schema.ts';
import { messageOf, SipfError, sipfCommand } from '../../errors.ts';
import { check } from '../../io/check.ts';
import { METHODS, scorerOf } from '../../method/methods.ts';
import { Probe } from '../../method/probe.ts';
import { ScoreCalibration } from '../../method/score-calibration.ts';
import { isConfiguredScorer, openScorer, type ScorerName, scorerNeeds } from '../../method/scorers.ts';
import { fileModels, fileRecords, fileStore } from '../../pipeline/file-workspace.ts';
import { openPrompt } from '../../pipeline/files/prompts.ts';
import { loadQuestions } from '../../pipeline/files/questions.ts';
import type { Configured } from '../../pipeline/prompts.ts';
import { score } from '../../pipeline/stages/score.ts';
import { type ModelSource, StepScores } from '../../records.ts';
import { openEngine } from '../engine.ts';
import { finish, number, withExecution } from '../options.ts';
import { checkOut } from '../outputs.ts';
import { readSettings, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { scoreRows } from './score-rows.ts';
import { readSampled, type StageOptions, splitOption } from './stage.ts';
import { KEPT, listenerOf, openConfigured, reportWork, workOf } from './stage-work.ts';

interface ScoreFlags extends Partial<Omit<StageOptions, 'known' | 'limit' | 'iteration'>> {
  readonly labels?: string;
  readonly threshold: number;
  readonly scorer?: ScorerName;
  readonly prm?: string;
  readonly calibration?: string;
  readonly probe?: string;
}

/** What scores, and the task and settings of it. */
interface Scoring {
  readonly kind: ScorerName;
  readonly stage: Configured;
  readonly options: ScoreFlags;
}

export function scoreCommand(terminal: Terminal): Command {
  const described = new Command('score').description(
    "The score of each step of given paths (stage 4), by a process reward model or another scorer. Given first errors (label), ProcessBench's F1 goes to stderr.",
  );
  const command = withSettings(withExecution(described), score.settings)
    .option('--prm <dir>', 'process reward model: a folder that train-prm wrote')
    .option('--model <path>', 'policy, for the scorers logprob, prm-logprob and probe')
    .option('--adapter <dir>', 'PEFT adapter folder of --prm, or of --model for logprob and probe')
    .option('--in <file>', 'JSONL of {id?, question or problem, steps, label?}; - is stdin')
    .option('--task <name>', 'whose prompt and step format to use (default: gsm8k)')
    .option('--threshold <p>', 'a step below this score is wrong', number({ min: 0, max: 1 }), 0.5)
    .addOption(
      new Option('--scorer <name>', 'what scores (default: prm, or as configured)').choices(
        StepScores.shape.scorer.options,
      ),
    )
    .option('--calibration <file>', "weights of prm-logprob: a run's 4-calibration.json")
    .option('--probe <file>', "the probe: a run's 3-probe.json, or what train-probe wrote")
    .optionsGroup("A run's records instead of --in:")
    .option('--samples <file>', 'JSONL of samples')
    .option('--out <file>', 'JSONL of step scores to write')
    .option('--questions <file>', 'JSONL of their questions, instead of --data')
    .option('--data <path>', "the task's file or folder")
    .addOption(splitOption())
    .option('--labels <file>', 'JSONL of step labels: for tallies, and to fit the weights of prm-logprob on');
  return finish(
    command.optionsGroup('Options:'),
    'print {id, scores, firstError} a line; firstError -1: none; both null: too long, or empty. With --samples: {out, counts}',
    'sipf score --prm runs/first/iteration-1/3-prm --in paths.jsonl --json',
    'sipf score --prm prm --samples samples.jsonl --task gsm8k --data gsm8k/train.jsonl --out scores.jsonl',
    'sipf score --scorer prm-logprob --prm prm --model sft --calibration 4-calibration.json --in paths.jsonl',
    'sipf score --scorer probe --probe probe.json --model sft --in paths.jsonl',
  ).action(async (options: ScoreFlags) => {
    const { in: path, samples } = options;
    if ((path === undefined) === (samples === undefined))
      throw new SipfError('bad-input', 'Expected either --in or --samples, got both or neither. Give one of them.');
    const { config, kind } = await scoreConfig(command, options);
    await using stage = openConfigured(config);
    if (path !== undefined) await scoreFile(path, { kind, stage, options }, terminal);
    if (samples !== undefined) await scoreSamples(samples, { kind, stage, options }, terminal);
  });
}

/** The task is gsm8k where nothing names another. */
async function scoreConfig(command: Command, options: ScoreFlags): Promise<{ config: Config; kind: ScorerName }> {
  const { scorer, task, data, prm, model, adapter } = options;
  const named = options.preset !== undefined || options.config !== undefined;
  const configured = scorer !== undefined && isConfiguredScorer(scorer) ? scorer : undefined;
  const own = { 'task.name': task, 'task.data': data, 'score.scorer': configured };
  const config = await readSettings(command, options, own, named ? null : { 'task.name': 'gsm8k' });
  const kind = scorer ?? scorerOf(METHODS[config.method], config.score.scorer) ?? config.score.scorer;
  // A chat template is the policy's, else the PRM's, which was trained from one.
  const template = {
    model: model ?? prm ?? '',
    adapter: (model === undefined || !scorerNeeds(kind, 'prm') ? adapter : undefined) ?? null,
  };
  return { config: { ...config, ...template }, kind };
}

async function scoreFile(path: string, { kind, stage, options }: Scoring, terminal: Terminal): Promise<void> {
  const readsTallies = scorerNeeds(kind, 'tallies');
  if (readsTallies || scorerNeeds(kind, 'outcome'))
    throw new SipfError(
      'bad-input',
      `Expected a scorer of steps for --in, got ${kind}, which reads a run's records. Give --samples${readsTallies ? ' and --labels' : ''}.`,
    );
  await using backend = await openEngine(engineOf(stage.config), terminal);
  // Paths bring their questions: others are needed for worked examples only.
  const { shots: count, shotsFile } = stage.config.prompt;
  const questions = count > 0 && shotsFile === null ? await loadQuestions(stage, options) : [];
  const { prompt } = await openPrompt({ stage, options, questions, backend });
  const { calibration, probe } = await readWeights(kind, options, false);
  const { prm, policy } = scorerModels(kind, options);
  await using scorer = await openScorer(kind, {
    prm: prm === null ? undefined : () => backend.openPrm(prm),
    policy: policy === null ? undefined : () => backend.openPolicy(policy),
    calibration: calibration ?? undefined,
    probe: probe ?? undefined,
  });
  const context = { scorer, task: stage.task, prompt, signal: terminal.signal };
  const { threshold, json = false } = options;
  warnOfTooLong(await scoreRows(path, context, { threshold, json }, terminal), terminal);
}

/** The stage on records of a run: writes the step scores of every sample to --out. */
async function scoreSamples(path: string, { kind, stage, options }: Scoring, terminal: Terminal): Promise<void> {
  const { out, labels } = options;
  if (out === undefined)
    throw new SipfError(
      'bad-input',
      `Expected --out, got none. Give it; ${sipfCommand('score', '--help')} has an example.`,
    );
  await checkOut('score', { ...options, out }, stage.config);
  if (scorerNeeds(kind, 'tallies') && labels === undefined) throw missing('--labels', kind);
  const paths = { '1-samples': [path], ...(labels === undefined ? {} : { '2-step-labels': [labels] }) };
  const sampled = { paths, graded: scorerNeeds(kind, 'outcome') };
  const { questions, records } = await readSampled(sampled, stage, options, terminal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions, backend });
  using listener = listenerOf(terminal, 'score');
  const models = fileModels(backend);
  const weights = await readWeights(kind, options, labels !== undefined);
  const sources = scorerModels(kind, options);
  const at = async (source: ModelSource) => models.checkpoint(source, (await backend.describe(source)).hash);
  const prm = sources.prm && (await at(sources.prm));
  const policy = sources.policy && (await at(sources.policy));
  const scoring = { scorer: kind, prm, ...weights };
  const space = { store: fileStore({ out, isModel: false }, listener), records: fileRecords(records), models };
  const work = workOf({ ...stage, ...space, questions, asked: questions, prompt, shots, policy, k: 1, scoring });
  terminal.resumes(KEPT);
  await score.perform(work);
  listener[Symbol.dispose]();
  warnOfTooLong(work.found.counts[score.writes]?.pathsTooLong ?? 0, terminal);
  await reportWork(work, score.writes, { ...options, out }, terminal);
}

/** Says how many paths stay without scores. */
function warnOfTooLong(paths: number, terminal: Terminal): void {
  if (paths === 0) return;
  terminal.warn(
    `${paths} ${paths === 1 ? 'path is' : 'paths are'} too long for the model's context, or empty: scores null.`,
  );
}

/**
 * The models that a scorer reads.
 * @throws SipfError 'bad-input' where the option that names one is missing.
 */
function scorerModels(kind: ScorerName, { model, prm, adapter }: ScoreFlags) {
  const readsPrm = scorerNeeds(kind, 'prm');
  return {
    // An adapter is the PRM's, where there is one.
    policy: scorerNeeds(kind, 'policy') ? sourceOf('model', model, kind, readsPrm ? undefined : adapter) : null,
    prm: readsPrm ? sourceOf('prm', prm, kind, adapter) : null,
  };
}

function sourceOf(option: 'prm' | 'model', model: string | undefined, kind: string, adapter?: string): ModelSource {
  if (model === undefined) throw missing(`--${option}`, kind);
  return { model, adapter };
}

/** What a scorer needs and did not get. */
function missing(option: string, kind: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${option} for --scorer ${kind}, got none. Give it; --help has an example.`,
  );
}

/** Which files have the weights of scorers. */
const WEIGHTS = {
  calibration: "a run's 4-calibration.json; with --samples, sipf score fits one on --labels",
  probe: "a run's 3-probe.json, or what train-probe wrote",
} as const;

/** The weights of a scorer that needs some; null: it needs none, or there are labels to fit a calibration on. */
async function readWeights(kind: ScorerName, { calibration, probe }: ScoreFlags, labelled: boolean) {
  const fits = labelled && calibration === undefined;
  return {
    calibration: fits ? null : await readIfNeeded(kind, 'calibration', calibration, ScoreCalibration),
    probe: await readIfNeeded(kind, 'probe', probe, Probe),
  };
}

/** @throws SipfError 'bad-input' where the option that names the file is missing, or the file has no such weights. */
export async function readIfNeeded<T>(
  kind: ScorerName,
  option: keyof typeof WEIGHTS,
  path: string | undefined,
  schema: z.ZodType<T>,
): Promise<T | null> {
  if (!scorerNeeds(kind, option)) return null;
  if (path === undefined) throw missing(`--${option} (${WEIGHTS[option]})`, kind);
  try {
    return check(schema, JSON.parse(await readFile(path, 'utf8')), path);
  } catch (cause) {
    if (cause instanceof SipfError) throw cause;
    throw new SipfError(
      'bad-input',
      `Expected weights (${WEIGHTS[option]}) in ${path}, got: ${messageOf(cause)}. Check the path of --${option}.`,
      { cause },
    );
  }
}
