// Counts of finished work -> one live line with rate and ETA on a terminal, plain lines elsewhere.
import type { OnProgress, ProgressEvent } from '../run/events.ts';

interface ProgressSink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  /** What is being done: `label steps`. */
  readonly title: string;
  /** What is counted: `paths`. */
  readonly unit: string;
  /** How many there will be; absent: unknown, and no ETA is shown. */
  readonly total?: number | undefined;
}

/** Disposing it ends its line. */
export interface Progress extends Disposable {
  /** `done` items are finished, of `total` where that is known better now; `detail` is shown behind the figures. */
  update(done: number, detail?: string, total?: number): void;
  /** Ends the line: keeps what was reached. */
  end(): void;
}

/** Longest silence between plain lines, in ms; live lines are drawn at most every LIVE_MS. */
const PLAIN_MS = 10_000;
const LIVE_MS = 100;
/** Rates come from this much recent work, so that a slow start does not bend the ETA for ever. */
const WINDOW_MS = 60_000;
/** An ETA from less than this is a guess: none is shown. */
const SETTLE_MS = 3_000;

/** A progress display on `sink` (stderr). `now` is a clock in ms. */
export function startProgress(sink: ProgressSink, options: ProgressOptions, now: () => number): Progress {
  const live = sink.isTTY === true;
  const started = now();
  const state = { ...options, done: 0, detail: '', started, marks: [{ time: started, done: 0 }] };
  let drawn = Number.NEGATIVE_INFINITY;
  let ended = false;
  let first = true;
  let last = '';
  let lastDone = -1;
  const draw = (time: number) => {
    drawn = time;
    const line = describeProgress(state, time);
    if (!live && line === last) return;
    last = line;
    lastDone = state.done;
    if (live) sink.write(`\r\u001b[2K${clip(line, (sink.columns ?? 80) - 1)}`);
    else sink.write(`${line}\n`);
  };
  const end = () => {
    if (ended) return;
    ended = true;
    // Off a terminal, the same count again would be the same line with another rate.
    if (live || state.done !== lastDone) draw(now());
    if (live) sink.write('\n');
  };
  return {
    end,
    [Symbol.dispose]: end,
    update(done, detail = state.detail, total = state.total) {
      if (ended) return;
      const time = now();
      // Work that a resumed run finds finished says nothing about the rate.
      if (first && done > 0 && time - started < 50) state.marks[0] = { time, done };
      first = false;
      Object.assign(state, { done, detail, total });
      remember(state.marks, time, done);
      if (time - drawn >= (live ? LIVE_MS : PLAIN_MS)) draw(time);
    },
  };
}

/** A line for each title and unit of a stream of events, one after the other; `end` and disposing end the last one. */
export function progressLines(
  start: (options: ProgressOptions) => Progress,
  titleOf: (event: ProgressEvent) => string,
): Disposable & { readonly onProgress: OnProgress; end(): void } {
  let line: (ProgressOptions & { readonly progress: Progress }) | null = null;
  const end = () => {
    line?.progress.end();
    line = null;
  };
  return {
    end,
    [Symbol.dispose]: end,
    onProgress(event) {
      const { done, total, unit, detail } = event;
      const title = titleOf(event);
      // What a stage does first may count other things than its work.
      if (line?.title !== title || line.unit !== unit) {
        end();
        line = { title, unit, progress: start({ title, unit, total }) };
      }
      line.progress.update(done, detail, total);
    },
  };
}

function remember(marks: { time: number; done: number }[], time: number, done: number): void {
  marks.push({ time, done });
  while (marks.length > 2 && time - marks[1]!.time > WINDOW_MS) marks.shift();
  // Bounded at any update rate: thin out the middle.
  if (marks.length > 512)
    marks.splice(1, marks.length - 2, ...marks.slice(1, -1).filter((_, index) => index % 2 === 0));
}

interface State extends ProgressOptions {
  readonly done: number;
  readonly detail: string;
  readonly marks: readonly { time: number; done: number }[];
  readonly started: number;
}

function describeProgress(state: State, time: number): string {
  const { title, unit, total, done, detail, marks, started } = state;
  const from = marks[0]!;
  const span = time - from.time;
  const rate = span > 0 ? ((done - from.done) * 1000) / span : 0;
  const count = total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`;
  const parts = [`${title}: ${count}`];
  if (rate > 0) parts.push(formatRate(rate, unit));
  parts.push(formatDuration(time - started));
  const left = total === undefined ? 0 : total - done;
  if (left > 0 && rate > 0 && span >= SETTLE_MS) parts.push(`ETA ${formatDuration((left / rate) * 1000)}`);
  if (detail !== '') parts.push(detail);
  return parts.join(' · ');
}

function formatRate(perSecond: number, unit: string): string {
  if (perSecond >= 1) return `${perSecond >= 10 ? Math.round(perSecond) : perSecond.toFixed(1)} ${unit}/s`;
  return `${(perSecond * 60).toFixed(1)} ${unit}/min`;
}

/** Milliseconds as `8s`, `2m 05s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const pad = (value: number) => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${pad(Math.floor((seconds % 3600) / 60))}m`;
}

function clip(line: string, width: number): string {
  return line.length > width && width > 3 ? `${line.slice(0, width - 1)}…` : line;
}
