// A grid -> where each run is, its configuration, and summaries of those that are finished.
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { canonicalHash } from '../hashing.ts';
import { METHODS, roundsOf } from '../method/methods.ts';
import { type Cell, folderOf, nameOf, START } from './cell.ts';
import type { CellSummary } from './cell-summary.ts';
import { tokensForEqualFlops } from './equal-flops.ts';
import { isFinished } from './finished.ts';
import { dotted, type Grid } from './grid.ts';
import type { KeptSummary } from './kept-results.ts';
import { readCell } from './summary.ts';

/** What is compared, and where its runs are. */
export interface Plan {
  readonly grid: Grid;
  readonly out: string;
  readonly seeds: readonly number[];
  /** Names of rows, the reference first: the others copy its stages wherever theirs would be the same. */
  readonly methods: readonly string[];
  readonly equalFlops: readonly string[];
  /** Results that count as runs, by the name of the run. */
  readonly kept: ReadonlyMap<string, KeptSummary>;
  /** Dotted settings of this call, over the grid's. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** A cell with its run directory. */
export interface Place extends Cell {
  readonly dir: string;
}

export function placeOf({ out }: Plan, cell: Omit<Cell, 'column'>, column: Cell['column'] = 'tokens'): Place {
  const whole = { ...cell, column };
  return { ...whole, dir: join(out, `seed-${cell.seed}`, folderOf(whole)) };
}

/** Every seed with every variant; null: there are no variants. */
export function blocksOf({ grid, seeds }: Plan): Pick<Cell, 'seed' | 'variant'>[] {
  const names = Object.keys(grid.variants);
  const variants = names.length === 0 ? [null] : names;
  return seeds.flatMap((seed) => variants.map((variant) => ({ seed, variant })));
}

/** What the grid, and the flags of this call, say of a cell's run. */
function givenOf({ grid, flags }: Plan, cell: Cell): Record<string, unknown> {
  const variant = cell.variant === null ? {} : (grid.variants[cell.variant] ?? {});
  const own = cell.method === START ? { method: 'sft' } : (grid.methods[cell.method] ?? {});
  const fixed = { seed: cell.seed, 'task.seed': cell.seed, 'evaluate.control': 'none' };
  return { ...dotted(variant), ...dotted(own), ...flags, method: own.method, ...fixed };
}

/**
 * The configuration of a cell's run. `tokens`: optimizer tokens after the warm-up, where they are not the grid's.
 * @throws SipfError 'bad-config' where nothing would be graded at the end, and for settings that do not exist.
 */
export async function configOf(plan: Plan, cell: Cell, tokens = plan.grid.tokens): Promise<Config> {
  const { preset, settings } = plan.grid;
  const given = givenOf(plan, cell);
  const load = (more: Readonly<Record<string, unknown>>) =>
    loadConfig({ preset, base: settings, flags: { ...given, ...more } });
  const config = await load({});
  if (config.evaluate.final.length === 0)
    throw new SipfError('bad-config', 'Expected a set in evaluate.final to grade the policies on, got none. Name one.');
  const rounds = roundsOf(METHODS[config.method], config.iterations);
  return rounds === 0 ? config : load({ 'align.train.tokens': Math.round(tokens / rounds) });
}

/** Hash of all that was said of a cell's run but where it executes: results of one hash are of the same run. The warm-up has no `tokens`. */
export function settingsHash(plan: Plan, cell: Cell, tokens = plan.grid.tokens): string {
  const { preset = null, settings } = plan.grid;
  const said = Object.entries({ ...dotted(settings), ...givenOf(plan, cell) });
  const results = said.filter(([key]) => !key.startsWith('engine.'));
  return canonicalHash({ preset, tokens: cell.method === START ? null : tokens, ...Object.fromEntries(results) });
}

/** Whether the run of the cell's own settings is finished. @throws SipfError 'config-changed' where a run of others is there. */
export async function finished(plan: Plan, place: Place): Promise<boolean> {
  return isFinished(place.dir, await configOf(plan, place));
}

/**
 * The file that has the cell's results; null: there is none.
 * @throws SipfError 'config-changed' where it is of other settings.
 */
export function keptOf(plan: Plan, cell: Cell, tokens?: number): KeptSummary | null {
  const kept = plan.kept.get(nameOf(cell));
  if (kept === undefined) return null;
  if (kept.summary.settings === settingsHash(plan, cell, tokens)) return kept;
  throw new SipfError(
    'config-changed',
    `Expected results of the settings that the grid has for ${nameOf(cell)}, got those of others in ${kept.file}. Delete that file to run it again.`,
  );
}

/** undefined: neither its run nor a file of its results is there. @throws SipfError 'config-changed' where one of other settings is. */
async function summaryOf(plan: Plan, place: Place, tokens?: number): Promise<CellSummary | undefined> {
  const kept = keptOf(plan, place, tokens);
  if (kept !== null) return kept.summary;
  if (!(await isFinished(place.dir, await configOf(plan, place, tokens)))) return undefined;
  const others = [plan.grid.reference, START].map((method) => placeOf(plan, { ...place, method }).dir);
  const copiedFrom = place.column === 'flops' ? [placeOf(plan, place).dir, ...others] : others;
  return readCell({ ...place, settings: settingsHash(plan, place, tokens), copiedFrom });
}

/**
 * Optimizer tokens at which the method costs what the reference cost; null: it is no cheaper; undefined: one of the two runs is not finished.
 * @throws SipfError 'config-changed' where results of other settings are in the place of one.
 */
async function equalTokensIfKnown(plan: Plan, cell: Cell): Promise<number | null | undefined> {
  const reference = await summaryOf(plan, placeOf(plan, { ...cell, method: plan.grid.reference }));
  const own = await summaryOf(plan, placeOf(plan, cell));
  return reference === undefined || own === undefined ? undefined : tokensForEqualFlops(reference, own);
}

/** The same. @throws SipfError 'not-found' where one of the two runs is not finished. */
export async function equalTokens(plan: Plan, cell: Cell): Promise<number | null> {
  const tokens = await equalTokensIfKnown(plan, cell);
  if (tokens !== undefined) return tokens;
  throw new SipfError(
    'not-found',
    `Expected ${plan.grid.reference} and ${cell.method} of seed ${cell.seed} to be finished before their costs are matched, got a failed run. Fix that first.`,
  );
}

/** Why a cell is not in the table. */
export interface Note {
  readonly name: string;
  readonly text: string;
}

/**
 * Summaries of all that is finished, and a note for what is not.
 * @throws SipfError 'config-changed' where a run or results of other settings are in a cell's place.
 */
export async function collect(plan: Plan): Promise<{ summaries: CellSummary[]; notes: Note[] }> {
  const summaries: CellSummary[] = [];
  const notes: Note[] = [];
  const note = (place: Place, why: string) => notes.push({ name: nameOf(place), text: `${nameOf(place)} ${why}` });
  const add = (place: Place, summary: CellSummary | undefined) => {
    if (summary === undefined) note(place, 'is not finished.');
    else summaries.push(summary);
  };
  for (const block of blocksOf(plan)) {
    for (const method of [START, ...plan.methods]) {
      const place = placeOf(plan, { ...block, method });
      add(place, await summaryOf(plan, place));
    }
    for (const method of plan.equalFlops) {
      const place = placeOf(plan, { ...block, method }, 'flops');
      const tokens = await equalTokensIfKnown(plan, place);
      if (tokens === null) note(place, 'was not run: it costs as much as the reference.');
      else add(place, tokens === undefined ? undefined : await summaryOf(plan, place, tokens));
    }
  }
  return { summaries, notes };
}
