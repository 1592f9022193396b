// sipf compare: two runs -> paired differences of their answers to the same questions. Reads only.
import { Command } from 'commander';
import { SipfError, sipfCommand } from '../../errors.ts';
import { compareSets, type SetComparison } from '../../method/compare.ts';
import { type AnsweredSet, answeredSets } from '../../method/set-reports.ts';
import { type RunView, readRun } from '../../pipeline/run-reader.ts';
import type { PairedDifference } from '../../reports.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { lookOf, printAll } from './show.ts';
import { formatPoints, percent } from './show-rounds.ts';
import { type Look, renderTable, wrap } from './show-steps.ts';

export function compareCommand(terminal: Terminal): Command {
  const command = new Command('compare')
    .description(
      'Compare two runs question by question: accuracy and sound answers on their final sets, else on those of their last rounds.',
    )
    .argument('<first>', 'run directory')
    .argument('<second>', 'run directory; differences are the first run minus the second');
  return finish(
    command,
    'print {first, second, of, rows: [{compared, task, split, accuracies, accuracy, sound, onlyFirst, onlySecond, different}]}',
    'sipf compare runs/sipf runs/online-rft',
    'sipf compare runs/sipf runs/online-rft --json',
  ).action((first: string, second: string, options: { readonly json?: boolean }) =>
    compare([first, second], options, terminal),
  );
}

/** What two policies differ by on one set; `compared` names both. */
interface Row extends SetComparison {
  readonly compared: string;
}

async function compare(
  dirs: readonly [string, string],
  { json }: { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const [first, second] = [await readRun(dirs[0]), await readRun(dirs[1])];
  const of = first.final !== null && second.final !== null ? 'final' : 'last round';
  const [a, b] = [await answersOf(first, of), await answersOf(second, of)];
  const pairs: readonly [string, AnsweredSet[], AnsweredSet[]][] = [
    ['last - last', a.last, b.last],
    ['start - start', a.start, b.start],
    ['first run: last - start', a.last, a.start],
    ['second run: last - start', b.last, b.start],
  ];
  const rows = pairs.flatMap(([compared, one, other]) =>
    compareSets(one, other).map((set): Row => ({ compared, ...set })),
  );
  const between = rows.filter(({ compared }) => compared === 'last - last');
  if (between.length === 0) throw nothingInCommon(dirs, a.last, b.last);
  for (const row of between) tellOfQuestions(row, terminal);
  if (json) return await terminal.print(JSON.stringify({ first: dirs[0], second: dirs[1], of, rows }));
  await printAll(terminal, render(rows, dirs, of, lookOf(terminal)));
}

/**
 * The answers of a run's start and of its last policy.
 * @throws SipfError 'not-found' where it has none yet.
 */
async function answersOf(view: RunView, of: 'final' | 'last round') {
  if (of === 'final') {
    const hasLast = view.final?.rows.some(({ name }) => name === 'last') === true;
    const start = await answeredSets(view.finalAnswers('start'));
    return { start, last: hasLast ? await answeredSets(view.finalAnswers('last')) : start };
  }
  const done = view.rounds.filter(({ report }) => report !== null).map(({ iteration }) => iteration);
  const last = done.at(-1);
  if (last === undefined)
    throw new SipfError(
      'not-found',
      `Expected answers of an evaluation in ${view.dir}, got none yet. Continue it: ${sipfCommand('run', '--out', view.dir)}.`,
    );
  return { start: await answeredSets(view.answers(0)), last: await answeredSets(view.answers(last)) };
}

function nothingInCommon(
  [first, second]: readonly [string, string],
  a: readonly AnsweredSet[],
  b: readonly AnsweredSet[],
): SipfError {
  const named = (sets: readonly AnsweredSet[]) =>
    sets.map(({ task, split, grades }) => `${grades.size} of ${task}/${split}`).join(', ') || 'none';
  return new SipfError(
    'bad-input',
    `Expected questions that both runs answered, got none: ${first} has ${named(a)}; ${second} has ${named(b)}. Compare runs with the same evaluate.final, data and task.seed.`,
  );
}

function tellOfQuestions({ task, split, onlyFirst, onlySecond, different }: Row, terminal: Terminal): void {
  if (onlyFirst + onlySecond > 0)
    terminal.log(
      `Of ${task}/${split}, ${onlyFirst} questions were answered by the first run only, ${onlySecond} by the second only.`,
    );
  if (different > 0)
    terminal.warn(
      `${different} questions of ${task}/${split} have one id in both runs and another text or answer: they are left out.`,
    );
}

function render(rows: readonly Row[], [first, second]: readonly [string, string], of: string, look: Look): string[] {
  const head = ['compared', 'questions', 'first', 'second', 'right', 'p', 'won', 'lost', 'sound', 'p', 'won', 'lost'];
  const cells = rows.map(({ compared, task, split, accuracies, accuracy, sound }) => [
    compared,
    `${task}/${split} (${accuracy.n})`,
    ...accuracies.map((share) => `${percent(share)} %`),
    ...differenceCells(accuracy),
    ...differenceCells(sound),
  ]);
  const legend =
    'first, second: accuracies. right, sound: points by which the two differ on the same questions, with a 95 % interval (Agresti and Min). p: exact McNemar. ' +
    'won, lost: questions that only the first, or only the second, has right (sound). sound: right, and no step is false.';
  return [
    ...wrap(`first: ${first}; second: ${second}; answers of the ${of === 'final' ? 'final sets' : of}`, look.width),
    ...renderTable([head, ...cells], look.colors),
    ...wrap(legend, look.width).map(look.colors.dim),
  ];
}

function differenceCells(paired: PairedDifference | null): string[] {
  if (paired === null) return ['-', '-', '-', '-'];
  const { difference, ci95, pValue, better, worse } = paired;
  return [formatPoints(difference, ci95), formatP(pValue), String(better), String(worse)];
}

/** `0.031`; below what three digits show, `<0.001`. */
function formatP(p: number): string {
  return p < 0.001 ? '<0.001' : p.toFixed(3);
}
