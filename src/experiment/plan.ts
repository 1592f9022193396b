// A grid -> where each run is, its configuration, and summaries of those that are finished.
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { METHODS, roundsOf } from '../method/methods.ts';
import { type Cell, folderOf, nameOf, START } from './cell.ts';
import { tokensForEqualFlops } from './equal-flops.ts';
import { isFinished } from './finished.ts';
import { dotted, type Grid } from './grid.ts';
import { type CellSummary, readCell } from './summary.ts';

/** What is compared, and where its runs are. */
export interface Plan {
  readonly grid: Grid;
  readonly out: string;
  readonly seeds: readonly number[];
  /** Names of rows, the reference first: the others copy its stages wherever theirs would be the same. */
  readonly methods: readonly string[];
  readonly equalFlops: readonly string[];
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

/**
 * The configuration of a cell's run. `tokens`: optimizer tokens after the warm-up, where they are not the grid's.
 * @throws SipfError 'bad-config' where nothing would be graded at the end, and for settings that do not exist.
 */
export async function configOf({ grid, flags }: Plan, cell: Cell, tokens = grid.tokens): Promise<Config> {
  const variant = cell.variant === null ? {} : (grid.variants[cell.variant] ?? {});
  const own = cell.method === START ? { method: 'sft' } : (grid.methods[cell.method] ?? {});
  const given = { ...dotted(variant), ...dotted(own), ...flags, method: own.method };
  const fixed = { seed: cell.seed, 'task.seed': cell.seed, 'evaluate.control': 'none' };
  const load = (more: Readonly<Record<string, unknown>>) =>
    loadConfig({ preset: grid.preset, base: grid.settings, flags: { ...given, ...fixed, ...more } });
  const config = await load({});
  if (config.evaluate.final.length === 0)
    throw new SipfError('bad-config', 'Expected a set in evaluate.final to grade the policies on, got none. Name one.');
  const rounds = roundsOf(METHODS[config.method], config.iterations);
  return rounds === 0 ? config : load({ 'align.train.tokens': Math.round(tokens / rounds) });
}

/** Whether the run of the cell's own settings is finished. @throws SipfError 'config-changed' where a run of others is there. */
export async function finished(plan: Plan, place: Place): Promise<boolean> {
  return isFinished(place.dir, await configOf(plan, place));
}

/**
 * Optimizer tokens at which the method costs what the reference cost; null: it is no cheaper.
 * @throws SipfError 'not-found' where one of the two runs is not finished.
 */
export async function equalTokens(plan: Plan, cell: Cell): Promise<number | null> {
  const [reference, own] = [placeOf(plan, { ...cell, method: plan.grid.reference }), placeOf(plan, cell)];
  for (const place of [reference, own]) {
    if (!(await finished(plan, place)))
      throw new SipfError(
        'not-found',
        `Expected ${nameOf(place)} to be finished before its cost is matched, got a failed run. Fix that first.`,
      );
  }
  return tokensForEqualFlops(await summaryOf(plan, reference), await summaryOf(plan, own));
}

function summaryOf(plan: Plan, place: Place): Promise<CellSummary> {
  const others = [plan.grid.reference, START].map((method) => placeOf(plan, { ...place, method }).dir);
  const copiedFrom = place.column === 'flops' ? [placeOf(plan, place).dir, ...others] : others;
  return readCell({ ...place, copiedFrom });
}

/** Why a cell is not in the table. */
export interface Note {
  readonly name: string;
  readonly text: string;
}

/**
 * Summaries of all that is finished, and a note for what is not.
 * @throws SipfError 'config-changed' where a run of other settings is in a cell's place.
 */
export async function collect(plan: Plan): Promise<{ summaries: CellSummary[]; notes: Note[] }> {
  const summaries: CellSummary[] = [];
  const notes: Note[] = [];
  const note = (place: Place, why: string) => notes.push({ name: nameOf(place), text: `${nameOf(place)} ${why}` });
  for (const block of blocksOf(plan)) {
    for (const method of [START, ...plan.methods]) {
      const place = placeOf(plan, { ...block, method });
      if (await finished(plan, place)) summaries.push(await summaryOf(plan, place));
      else note(place, 'is not finished.');
    }
    for (const method of plan.equalFlops) {
      const place = placeOf(plan, { ...block, method }, 'flops');
      const tokens = await equalTokensIfKnown(plan, place);
      if (tokens === null) note(place, 'was not run: it costs as much as the reference.');
      else if (tokens !== undefined && (await isFinished(place.dir, await configOf(plan, place, tokens))))
        summaries.push(await summaryOf(plan, place));
      else note(place, 'is not finished.');
    }
  }
  return { summaries, notes };
}

/** undefined: the runs that it is reckoned from are not finished. */
async function equalTokensIfKnown(plan: Plan, place: Place): Promise<number | null | undefined> {
  for (const method of [plan.grid.reference, place.method])
    if (!(await finished(plan, placeOf(plan, { ...place, method })))) return undefined;
  return equalTokens(plan, place);
}
