// Numbers -> the words of the tables: percent, points, intervals, times.

import type { Estimate, PairedDifference } from '../../src/reports.ts';
import type { Answer, Outcome } from '../../src/viewer/api.ts';

export const NOTHING = '–';

/** On one line. */
function together(text: string): string {
  return text.replaceAll(' ', '\u00A0');
}

/** With a true minus. */
export function fixed(value: number | null | undefined, digits: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : `${fixed(100 * value, 1)} %`;
}

export function points(value: number): string {
  return `${value > 0 ? '+' : ''}${fixed(100 * value, 1)}`;
}

/** Of shares, as `27.6 to 38.2`. */
export function percentRange([low, high]: readonly [number, number]): string {
  return together(`${fixed(100 * low, 1)} to ${fixed(100 * high, 1)}`);
}

export function range([low, high]: readonly [number, number]): string {
  return together(`${fixed(low, 2)} to ${fixed(high, 2)}`);
}

export function estimate(figure: Estimate | undefined): string {
  return figure === null || figure === undefined ? NOTHING : `${fixed(figure.value, 2)} (${range(figure.ci95)})`;
}

export function probability(p: number): string {
  return together(p < 0.001 ? 'p < 0.001' : `p ${fixed(p, 3)}`);
}

export function paired({ difference, ci95, pValue }: PairedDifference): string {
  return `${points(difference)} (${percentRange(ci95)}), ${probability(pValue)}`;
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

const UNITS = [
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** At most three digits, as 1.2 M. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  const unit = UNITS.find(([size]) => Math.abs(value) >= size);
  if (unit === undefined) return fixed(value, Number.isInteger(value) ? 0 : 1);
  const scaled = value / unit[0];
  return `${fixed(scaled, Math.abs(scaled) < 10 ? 1 : 0)} ${unit[1]}`;
}

export function duration(seconds: number | null | undefined): string {
  return together(durationWords(seconds));
}

function durationWords(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 10) return `${fixed(seconds, 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Marks stand beside colours, so that grey paper tells the same. */
export const OUTCOME_MARKS: Readonly<Record<Outcome['kind'], string>> = { right: '✓', wrong: '✗', error: '!' };

export function outcomeWords(outcome: Outcome): string {
  return outcome.kind === 'right' ? 'right' : `${outcome.kind}: ${outcome.reason}`;
}

export function answerWords({ extracted }: Pick<Answer, 'extracted'>): string {
  return extracted ?? 'no answer';
}

/** `1 path`, `2 paths`. */
export function plural(n: number, one: string): string {
  return `${count(n)} ${one}${n === 1 ? '' : 's'}`;
}
