// Paths with their step scores and tallies -> coloured lines that fit a width.
import { stripVTControlCharacters } from 'node:util';
import type { Sample, StepLabels, StepTally } from '../../records.ts';
import type { Colors } from '../terminal.ts';

export interface Look {
  readonly colors: Colors;
  /** Characters a line may hold. */
  readonly width: number;
}

/** A path with what is known of its steps; lists run parallel to `steps`. */
export interface ShownPath {
  readonly title: string;
  readonly steps: readonly string[];
  readonly scores: readonly number[] | null;
  readonly labels: Pick<StepLabels, 'steps' | 'answerLogps'> | null;
}

type Paint = (text: string) => string;

/** Green from .7, red below .4, yellow between. */
function paintOf(score: number, colors: Colors): Paint {
  if (score >= 0.7) return colors.green;
  return score >= 0.4 ? colors.yellow : colors.red;
}

/** Scores in a row, the first step below the threshold marked; null: a path that no model could read. */
export function formatScores(
  { scores, firstError }: { readonly scores: readonly number[] | null; readonly firstError: number | null },
  colors: Colors,
): string {
  if (scores === null || firstError === null) return 'too long to score, or empty';
  const row = scores.map((score) => paintOf(score, colors)(score.toFixed(2))).join(' ');
  return `${row}  ${firstError === -1 ? 'no error' : `first error: step ${firstError + 1}`}`;
}

/**
 * A step's rollouts: `3/4`; `1/2*` where the scan stopped at a success; `*` where a later step's success settles it; `=` where a false equation
 * does; `.83` the probability of the right answer, where that labels; `-` for none of these.
 */
export function formatTally({ correct, run, stop, impliedBy, settledBy }: StepTally, answerLogp?: number): string {
  if (settledBy !== undefined) return '=';
  if (answerLogp !== undefined) return Math.exp(answerLogp).toFixed(2).replace(/^0/, '');
  if (impliedBy !== null) return '*';
  if (run === 0) return '-';
  return `${correct}/${run}${stop === 'first-success' ? '*' : ''}`;
}

/** One path: its title, then each step behind its PRM score and tally. */
export function renderPath(path: ShownPath, look: Look): string[] {
  const { colors, width } = look;
  const lines = wrap(path.title, width).map((line) => colors.bold(line));
  for (const [j, step] of path.steps.entries()) {
    const score = path.scores?.[j];
    const tally = path.labels?.steps[j];
    const mark = score === undefined ? '' : `[${score.toFixed(2)}] `;
    const found = tally ? formatTally(tally, path.labels?.answerLogps?.[j + 1]) : '';
    const rollouts = path.labels === null ? '' : `${found.padEnd(5)} `;
    const paint: Paint = score === undefined ? (text) => text : paintOf(score, colors);
    const indent = mark.length + rollouts.length;
    // Steps of code have line ends and blank lines of their own.
    const text = step.replace(/^(?:[ \t]*\r?\n)+/, '').trimEnd();
    const [first = '', ...rest] = wrap(text, Math.max(20, width - indent));
    lines.push(`${paint(mark)}${colors.dim(rollouts)}${paint(first)}`);
    for (const line of rest) lines.push(`${' '.repeat(indent)}${paint(line)}`);
  }
  return lines;
}

/** A pair; `shared`: steps that both paths begin with. */
interface ShownPair {
  readonly chosen: ShownPath;
  readonly rejected: ShownPath | null;
  readonly shared: number;
}

/** The shared steps once, then how each path continues. */
export function renderPair({ chosen, rejected, shared }: ShownPair, look: Look): string[] {
  if (rejected === null) return renderPath(chosen, look);
  if (shared === 0) return renderSides(chosen, rejected, look);
  const start = { ...cut(chosen, 0, shared), title: 'Both paths begin with (no loss here):' };
  return [...renderPath(start, look), '', ...renderSides(cut(chosen, shared), cut(rejected, shared), look)];
}

function cut({ title, steps, scores, labels }: ShownPath, from: number, to?: number): ShownPath {
  const part = { title, steps: steps.slice(from, to), scores: scores?.slice(from, to) ?? null };
  if (labels === null) return { ...part, labels };
  // The first value is that of the prompt.
  const answerLogps = labels.answerLogps?.slice(from, to === undefined ? to : to + 1);
  return { ...part, labels: { ...labels, steps: labels.steps.slice(from, to), answerLogps } };
}

/** Two paths beside each other where each gets 48 characters, else under each other. */
function renderSides(chosen: ShownPath, rejected: ShownPath, look: Look): string[] {
  const gap = 3;
  const half = Math.floor((look.width - gap) / 2);
  if (half < 48) return [...renderPath(chosen, look), '', ...renderPath(rejected, look)];
  const narrow = { ...look, width: half };
  const [left, right] = [renderPath(chosen, narrow), renderPath(rejected, narrow)];
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const line = left[i] ?? '';
    return `${line}${' '.repeat(Math.max(0, half - visibleWidth(line) + 1))}│ ${right[i] ?? ''}`;
  });
}

/** The words of a sample's outcome. */
export function describeOutcome({ outcome, extracted }: Pick<Sample, 'outcome' | 'extracted'>): string {
  const said = outcome.kind === 'wrong' ? outcome.detail : undefined;
  // A program is no answer to show in a title: what it said is.
  const shown = said ?? (extracted?.includes('\n') ? null : extracted);
  const answer = shown === null ? '' : ` (${shown.split('\n')[0]})`;
  return outcome.kind === 'right' ? `right${answer}` : `${outcome.kind}: ${outcome.reason}${answer}`;
}

/** Rows as columns: texts to the left, what looks like a number to the right. The first row is the head. */
export function renderTable(rows: readonly (readonly string[])[], colors: Colors): string[] {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => visibleWidth(row[column] ?? ''))));
  return rows.map((row, at) => {
    const cells = row.map((cell, column) => {
      const space = ' '.repeat((widths[column] ?? 0) - visibleWidth(cell));
      return at > 0 && /^[-+.\d]/.test(cell) ? space + cell : cell + space;
    });
    const line = cells.join('  ').trimEnd();
    return at === 0 ? colors.bold(line) : line;
  });
}

function visibleWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** Words of `text` in lines of at most `width`; a longer word is cut. A line's indentation stays, also where it is wrapped. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const space = /^[ \t]*/.exec(paragraph)?.[0] ?? '';
    const indent = space.replaceAll('\t', '    ').slice(0, Math.max(0, width - 20));
    return wrapWords(paragraph.slice(space.length), width - indent.length).map((line) => indent + line);
  });
}

function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/[ \t]+/)) {
    let rest = [...word];
    const room = width - [...line].length - (line === '' ? 0 : 1);
    if (rest.length <= room) {
      line = line === '' ? word : `${line} ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    for (; rest.length > width; rest = rest.slice(width)) lines.push(rest.slice(0, width).join(''));
    line = rest.join('');
  }
  lines.push(line);
  return lines;
}
