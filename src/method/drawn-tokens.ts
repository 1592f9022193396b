// A completion -> its tokens as a sample keeps them; a sample -> their texts, each step's least.
import type { Completion } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { Sample } from '../records.ts';

type DrawnTokens = NonNullable<Sample['drawn']>;

/** A token's text, and its log-probability; null: a calculator wrote it. */
export interface DrawnText {
  readonly text: string;
  readonly logp: number | null;
}

/**
 * The tokens of a completion that has these steps.
 * @throws SipfError 'unsupported' where the engine does not tell them.
 */
export function drawnTokens({ text, ends, logps }: Completion, steps: readonly string[]): DrawnTokens {
  if (ends === undefined || logps === null)
    throw new SipfError(
      'unsupported',
      'Expected an engine that tells the tokens of a text for sampling.keepLogps true, got one that does not. Set sampling.keepLogps false, or draw on this machine (engine.sampler null).',
    );
  const kept = {
    lengths: ends.map((end, n) => end - (ends[n - 1] ?? 0)),
    // -0 would be read back as 0.
    logps: logps.map((logp) => logp && Math.round(1000 * logp) / 1000 + 0),
  };
  return textOf({ steps, drawn: kept }) === text ? kept : { ...kept, text };
}

/** The tokens of a path, whose texts join to what was drawn; null: they were not kept. */
export function tokensOf({ steps, drawn }: Pick<Sample, 'steps' | 'drawn'>): DrawnText[] | null {
  if (drawn === undefined) return null;
  const text = textOf({ steps, drawn });
  let end = 0;
  return drawn.lengths.map((length, n) => {
    const from = end;
    end += length;
    return { text: text.slice(from, end), logp: drawn.logps[n] ?? null };
  });
}

/** `[step]` the least log-probability of the tokens that wrote it; null: none was drawn there. null of all: they were not kept. */
export function leastLogps(sample: Pick<Sample, 'steps' | 'drawn'>): (number | null)[] | null {
  const tokens = tokensOf(sample);
  if (tokens === null) return null;
  const least = sample.steps.map((): number | null => null);
  const starts = stepStarts(sample.steps, tokens.map(({ text }) => text).join(''));
  let [at, step] = [0, 0];
  for (const { text, logp } of tokens) {
    while (at >= (starts[step + 1] ?? Number.POSITIVE_INFINITY)) step += 1;
    at += text.length;
    if (logp !== null) least[step] = Math.min(least[step] ?? 0, logp);
  }
  return least;
}

/** Where each step starts in a text: behind the line feed of the step before. Tasks drop blank lines and spaces around lines. */
function stepStarts(steps: readonly string[], text: string): number[] {
  let end = 0;
  return steps.map((step) => {
    const lines = step.split('\n').map((line) => line.trim());
    const own = lines.filter((line) => line !== '');
    const first = Math.max(end, text.indexOf(own[0] ?? '', end));
    const lineFeed = text.slice(end, first).indexOf('\n');
    const start = lineFeed < 0 ? first : end + lineFeed + 1;
    for (const line of own) end = Math.max(end, text.indexOf(line, end) + line.length);
    return start;
  });
}

function textOf({ steps, drawn }: { readonly steps: readonly string[]; readonly drawn: DrawnTokens }): string {
  if (drawn.text !== undefined) return drawn.text;
  const length = drawn.lengths.reduce((sum, own) => sum + own, 0);
  const joined = steps.join('\n');
  return joined.length === length ? joined : steps.join('');
}
