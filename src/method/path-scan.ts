// Paths under labelling and results of rollouts -> settled steps, and the rollouts to draw next.
import type { StepTally } from '../records.ts';
import { ask, type Draw, type Drawn, type Prefix } from './draw.ts';
import type { LabelOptions } from './label-options.ts';
import type { CheckedPath } from './label-record.ts';
import { type Scan, scan } from './tallies.ts';
import { assumeOthers } from './verify-labels.ts';

/** A prefix of one question's paths, rolled out once however many paths share it. */
export interface StepPrefix extends Prefix {
  /** Outcome by rollout index; null: an infrastructure error; a hole: still running. */
  readonly results: (boolean | null | undefined)[];
  /** Length by rollout index, and the rollouts themselves where they are kept. */
  readonly tokens: number[];
  readonly rollouts: Drawn<StepPrefix>[];
  waiting: ScannedPath[];
}

/** A path under scan, from a step towards the first one. */
export interface ScannedPath extends CheckedPath {
  /** Of all steps but the last. */
  readonly prefixes: readonly StepPrefix[];
  /** Of the same steps; null: not known yet. */
  readonly tallies: (StepTally | null)[];
  /** The step under scan, and the last one to scan. */
  at: number;
  readonly from: number;
  /** The step that may be the first error; null: every step is scanned. */
  readonly proposed: number | null;
  /** It stays without labels. */
  failed: boolean;
}

interface ScanContext {
  readonly options: LabelOptions;
  /** All that are labelled together. */
  readonly paths: readonly ScannedPath[];
}

export const isOpen = ({ failed, tallies }: ScannedPath): boolean => !failed && tallies.includes(null);

/** What has come of a prefix's rollouts. In full mode only all K settle it. */
export function scanned({ results }: StepPrefix, { K, delta, mode }: LabelOptions): Scan {
  return scan(results, { K, delta: mode === 'full' ? K : delta });
}

/** Settles what is known of a path. Returns the rollouts that it needs next: none when it is done, or waits for those of another path. */
export function advance(path: ScannedPath, context: ScanContext): Draw<StepPrefix>[] {
  const { options } = context;
  if (options.ownWitness && path.sample.outcome.kind === 'right') {
    for (const [j, tally] of path.tallies.entries()) path.tallies[j] = tally ?? implied(path.prefixes.length);
    return [];
  }
  if (options.mode === 'full') return advanceFull(path, options);
  while (path.at >= path.from) {
    const prefix = path.prefixes[path.at];
    if (prefix === undefined) return [];
    const { state, tally } = scanned(prefix, options);
    if (state === 'open') return waitFor(path, prefix, ahead(prefix, context));
    path.failed = state === 'failed';
    if (path.failed) return [];
    path.tallies[path.at] = tally;
    if (tally.correct > options.delta && options.closure === 'monotone') {
      for (let j = 0; j < path.at; j += 1) path.tallies[j] = implied(path.at);
      path.at = -1;
    }
    path.at -= 1;
  }
  assumeOthers(path, options.delta);
  return [];
}

/** All steps at once: each asks for the rollouts that it still lacks, again where some ended in errors. */
function advanceFull(path: ScannedPath, options: LabelOptions): Draw<StepPrefix>[] {
  return path.prefixes.flatMap((prefix, j) => {
    if (path.tallies[j] !== null || prefix.waiting.includes(path)) return [];
    const { state, tally } = scanned(prefix, options);
    if (state === 'open') return waitFor(path, prefix, prefix.pending > 0 ? 0 : options.K - tally.run);
    if (state === 'done') path.tallies[j] = tally;
    else path.failed = true;
    return [];
  });
}

function waitFor(path: ScannedPath, prefix: StepPrefix, count: number): Draw<StepPrefix>[] {
  prefix.waiting.push(path);
  return ask(prefix, count);
}

/** How many more rollouts a prefix asks for now: its next one, and those that it may need later where few prefixes are under scan. */
function ahead(prefix: StepPrefix, { options, paths }: ScanContext): number {
  const { used, tally } = scanned(prefix, options);
  const share = options.lookahead === 1 ? 1 : Math.floor(options.lookahead / underScan(paths));
  const wanted = Math.min(Math.max(1, share), options.K - tally.run);
  return Math.max(0, wanted - (prefix.asked - used));
}

/** Prefixes that are rolled out now: paths of one question often wait for the same one. */
function underScan(paths: readonly ScannedPath[]): number {
  return new Set(paths.filter(isOpen).map(({ prefixes, at }) => prefixes[at])).size;
}

/** The rollouts that the paths waiting for a prefix need next. */
export function resume(prefix: StepPrefix, context: ScanContext): Draw<StepPrefix>[] {
  const { waiting } = prefix;
  prefix.waiting = [];
  return waiting.flatMap((path) => advance(path, context));
}

function implied(by: number): StepTally {
  return { correct: 0, run: 0, stop: 'first-success', impliedBy: by };
}
