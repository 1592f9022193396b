// sipf show: a run directory -> what happened there, for a person in a terminal. Reads only.
import { Command } from 'commander';
import { isOnlyCheck } from '../../config/presets.ts';
import { SipfError, sipfCommand } from '../../errors.ts';
import { pathScoring } from '../../method/path-score.ts';
import { type QuestionView, type RunView, readRun } from '../../pipeline/run-reader.ts';
import type { PreferencePair } from '../../records.ts';
import { finish, integer } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { type OfPolicy, renderBestOf } from './show-best-of.ts';
import { renderFinal, renderRounds, renderWarnings } from './show-rounds.ts';
import { describeOutcome, type Look, renderPair, renderPath, type ShownPath, wrap } from './show-steps.ts';

interface ShowOptions {
  readonly iteration?: number;
  readonly question?: string;
  readonly pairs?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

export function showCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('Show a run: the table of rounds, paths with their step scores and tallies, chosen against rejected.')
    .argument('<run>', 'run directory')
    .option('--iteration <k>', 'paths of this round (default: the last one that has any)', integer({ min: 1 }))
    .option('--question <id>', 'every path of one question')
    .option('--pairs', 'preference pairs, chosen against rejected')
    .option('--limit <n>', 'questions or pairs to show', integer({ min: 1 }), 3);
  return finish(
    command,
    'print {dir, config, finished, rounds, final}; with --question or --pairs: the records',
    'sipf show runs/first',
    'sipf show runs/first --iteration 2 --question mini-train-17',
    'sipf show runs/first --pairs --limit 10',
  ).action((dir: string, options: ShowOptions) => show(dir, options, terminal));
}

async function show(dir: string, options: ShowOptions, terminal: Terminal): Promise<void> {
  const view = await readRun(dir);
  const showsRecords = options.pairs === true || options.question !== undefined || options.iteration !== undefined;
  if (showsRecords) for (const message of await view.faults()) terminal.warn(message);
  if (options.pairs === true) return await showPairs(view, options, terminal);
  if (options.question !== undefined) return await showQuestion(view, options.question, options, terminal);
  if (options.json === true) return await terminal.print(JSON.stringify(await summaryOf(view, options)));
  await printAll(terminal, [...header(view), '', ...overview(view, lookOf(terminal))]);
  if (options.iteration !== undefined) await printPaths(view, options.iteration, options.limit, terminal);
}

export function lookOf({ colors, columns }: Terminal): Look {
  return { colors, width: Math.max(60, columns) };
}

/** What choosing among samples gave, policy by policy. */
function bestOfIn({ final }: RunView): OfPolicy[] {
  const rows = final?.rows ?? [];
  return rows.flatMap(({ name: policy, bestOf = [] }) => bestOf.map((report) => ({ policy, report })));
}

/** The tables of rounds, what test said, and the warnings. */
export function overview(view: RunView, look: Look): string[] {
  const final = renderFinal(view, look);
  const bestOf = renderBestOf(bestOfIn(view), look);
  const warnings = renderWarnings(view, look);
  const only = 'A check that everything runs (preset smoke): these figures mean nothing.';
  return [
    ...renderRounds(view.rounds, look),
    ...(final.length > 0 ? ['', ...final] : []),
    ...(bestOf.length > 0 ? ['', ...bestOf] : []),
    ...(warnings.length > 0 ? ['', ...warnings] : []),
    ...(isOnlyCheck(view.config) ? ['', ...wrap(only, look.width)] : []),
  ];
}

/** The first question of the last round whose paths differ in outcome (else the first there is), with `paths` of its paths. */
export async function printExample(view: RunView, paths: number, terminal: Terminal): Promise<void> {
  const k = await lastRoundWithPaths(view);
  if (k === null) return;
  let example: QuestionView | null = null;
  let count = paths;
  for (const id of (await view.questionIds(k)).slice(0, 200)) {
    const found = await view.question(k, id);
    example ??= found;
    const drawn = found?.paths.filter(({ sample, labels }) => sample.source === 'policy' && labels !== null) ?? [];
    if (found === null || new Set(drawn.map(({ sample }) => sample.outcome.kind)).size < 2) continue;
    const others = found.paths.filter((path) => !drawn.includes(path));
    example = { ...found, paths: [...drawn, ...others] };
    count = Math.min(paths, drawn.length);
    break;
  }
  if (example !== null) await printAll(terminal, questionLines(view, k, example, lookOf(terminal), count));
}

function header({ dir, config, finished, rounds }: RunView): string[] {
  const { method, task, seed, model } = config;
  const name = typeof model === 'string' ? model : 'made from nothing';
  const state = finished ? 'finished' : `not finished: continue with \`${sipfCommand('run', '--out', dir)}\``;
  return [
    `${dir}: ${method} on ${task.name}, model ${name}, seed ${seed}, ${Math.max(0, rounds.length - 1)} of ${config.iterations} rounds begun, ${state}`,
  ];
}

async function summaryOf(view: RunView, { iteration }: ShowOptions) {
  const { dir, config, versions, finished, rounds, final } = view;
  const questions = iteration === undefined ? {} : { questions: await view.questionIds(iteration) };
  return { dir, config, versions, finished, rounds, final, ...questions };
}

async function showQuestion(view: RunView, id: string, options: ShowOptions, terminal: Terminal): Promise<void> {
  const { json, iteration: k = await requireRoundWithPaths(view) } = options;
  const found = await view.question(k, id);
  if (found === null || found.paths.length === 0) {
    const known = (await view.questionIds(k)).slice(0, 5);
    throw new SipfError(
      'not-found',
      `Expected a question with paths in round ${k} of ${view.dir}, got ${id}. Such as: ${known.join(', ') || 'none yet'}.`,
    );
  }
  if (json === true) return await terminal.print(JSON.stringify(found));
  await printAll(terminal, questionLines(view, k, found, lookOf(terminal), found.paths.length));
}

async function showPairs(view: RunView, options: ShowOptions, terminal: Terminal): Promise<void> {
  const { question, limit, json, iteration: k = await requireRoundWithPaths(view) } = options;
  const look = lookOf(terminal);
  let shown = 0;
  for await (const pair of view.pairs(k)) {
    if (question !== undefined && pair.questionId !== question) continue;
    if (pair.rejected === null && question === undefined) continue;
    if (json === true) await terminal.print(JSON.stringify(pair));
    else await printAll(terminal, [...pairLines(await view.question(k, pair.questionId), pair, look), '']);
    shown += 1;
    if (shown === limit) break;
  }
  if (shown === 0 && json !== true)
    terminal.log(`Round ${k} of ${view.dir} has no pairs${question === undefined ? '' : ` of ${question}`}.`);
}

async function printPaths(view: RunView, k: number, limit: number, terminal: Terminal): Promise<void> {
  const ids = await view.questionIds(k);
  if (ids.length === 0) {
    throw new SipfError(
      'not-found',
      `Expected a round of ${view.dir} with samples, got round ${k} without any. It has ${view.rounds.length - 1} rounds.`,
    );
  }
  for (const id of ids.slice(0, limit)) {
    const found = await view.question(k, id);
    if (found !== null)
      await printAll(terminal, ['', ...questionLines(view, k, found, lookOf(terminal), found.paths.length)]);
  }
  if (ids.length > limit) terminal.log(`${ids.length - limit} more questions: --limit, or --question ID.`);
}

function questionLines(
  view: RunView,
  k: number,
  { question, paths }: QuestionView,
  look: Look,
  count: number,
): string[] {
  const scoreOf = pathScoring(
    view.config.score,
    paths.map(({ sample }) => sample),
  );
  const { dim } = look.colors;
  const lines = wrap(`Question ${question.id} in round ${k}: ${question.question}`, look.width);
  lines.push(
    `Answer: ${question.answer}`,
    dim('[P(step correct)]  right/run rollouts (*: ended early, or settled by a later step; =: by a false equation)'),
  );
  for (const { sample, labels, scores } of paths.slice(0, count)) {
    const own = scores?.scores ?? null;
    const score = scores === null ? '' : own === null ? ', too long to score' : `, score ${scoreOf(own).toFixed(2)}`;
    const title = `${sample.source === 'gold' ? 'worked solution' : sample.id}: ${describeOutcome(sample)}${score}`;
    lines.push('', ...renderPath({ title, steps: sample.steps, scores: own, labels }, look));
  }
  return lines;
}

function pairLines(found: QuestionView | null, pair: PreferencePair, look: Look): string[] {
  const side = (word: string, { sampleId, steps, score }: PreferencePair['chosen']): ShownPath => {
    const path = found?.paths.find(({ sample }) => sample.id === sampleId);
    const outcome = path === undefined ? '' : `, ${describeOutcome(path.sample)}`;
    const title = `${word} ${sampleId}${score === null ? '' : `, score ${score.toFixed(2)}`}${outcome}`;
    return { title, steps, scores: path?.scores?.scores ?? null, labels: path?.labels ?? null };
  };
  const rejected = pair.rejected === null ? null : side('rejected', pair.rejected);
  return [
    ...wrap(`Question ${pair.questionId}: ${pair.question}`, look.width),
    ...renderPair({ chosen: side('chosen', pair.chosen), rejected, shared: pair.shared ?? 0 }, look),
  ];
}

async function lastRoundWithPaths(view: RunView): Promise<number | null> {
  for (let k = view.rounds.length - 1; k >= 1; k -= 1) {
    if ((await view.questionIds(k)).length > 0) return k;
  }
  return null;
}

async function requireRoundWithPaths(view: RunView): Promise<number> {
  const k = await lastRoundWithPaths(view);
  if (k !== null) return k;
  throw new SipfError(
    'not-found',
    `Expected a round with samples in ${view.dir}, got none yet. Wait for its first round, or run a method that samples.`,
  );
}

/** Lines on stdout, one after the other. */
export async function printAll(terminal: Terminal, lines: readonly string[]): Promise<void> {
  for (const line of lines) await terminal.print(line);
}
