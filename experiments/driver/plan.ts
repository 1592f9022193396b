// An experiment's runs -> their folders, configurations, budgets, and summaries of finished ones.
import { join } from 'node:path';
import type { Config } from '#sipf/config/schema.js';
import { SipfError } from '#sipf/errors.js';
import { type ArmSummary, readArm } from './arm-summary.ts';
import { type ArmName, armConfig, EXPERIMENTS, type ExperimentName } from './arms.ts';
import { tokensForEqualFlops } from './comparison.ts';
import { isFinished } from './runs.ts';

/** One run of the experiment: an arm of a seed in a column. */
export interface Place {
  readonly arm: ArmName | 'start';
  readonly seed: number;
  readonly column: ArmSummary['column'];
  readonly dir: string;
}

/** What is compared, and where its runs lie. */
export interface Plan {
  readonly name: ExperimentName;
  readonly out: string;
  readonly seeds: readonly number[];
  readonly methods: readonly ArmName[];
  readonly flopsMethods: readonly ArmName[];
  readonly flags: Readonly<Record<string, string>>;
}

export function placeOf({ out }: Plan, seed: number, one: Place['arm'], column: Place['column'] = 'tokens'): Place {
  return { arm: one, seed, column, dir: join(out, `seed-${seed}`, column === 'flops' ? `${one}-equal-flops` : one) };
}

export const nameOf = ({ arm: one, seed, column }: Place): string =>
  `seed ${seed} ${one}${column === 'flops' ? ' at equal FLOPs' : ''}`;

export function configOf({ name, flags }: Plan, { arm: one, seed }: Place, tokens?: number): Promise<Config> {
  return armConfig({ experiment: EXPERIMENTS[name], arm: one, seed, flags, tokens });
}

export async function finished(plan: Plan, place: Place): Promise<boolean> {
  return isFinished(place.dir, await configOf(plan, place));
}

/** Optimizer tokens a round at which the arm costs what sipf cost; null: it is no cheaper. */
export async function equalFlops(plan: Plan, seed: number, one: ArmName): Promise<number | null> {
  const [sipf, own] = [placeOf(plan, seed, 'sipf'), placeOf(plan, seed, one)];
  for (const place of [sipf, own]) {
    if (!(await finished(plan, place)))
      throw new SipfError(
        'not-found',
        `Expected ${nameOf(place)} to be finished before its cost is matched, got a failed run. Fix that first.`,
      );
  }
  return tokensForEqualFlops(await summaryOf(plan, sipf), await summaryOf(plan, own));
}

/** Runs whose stages `place` may have copied. */
function sourcesOf(plan: Plan, { seed, arm: one, column }: Place): string[] {
  const own = column === 'flops' ? [placeOf(plan, seed, one).dir] : [];
  return [...own, placeOf(plan, seed, 'sipf').dir, placeOf(plan, seed, 'start').dir];
}

export function summaryOf(plan: Plan, place: Place): Promise<ArmSummary> {
  const { dir, arm: one, seed, column } = place;
  return readArm({ dir, arm: one, seed, column, copiedFrom: sourcesOf(plan, place) });
}

/** Why a run is not in the table. */
export interface Note {
  readonly name: string;
  readonly text: string;
}

/** Summaries of all that is finished, and a note for what is not. */
export async function collect(plan: Plan): Promise<{ summaries: ArmSummary[]; notes: Note[] }> {
  const summaries: ArmSummary[] = [];
  const notes: Note[] = [];
  const note = (place: Place, why: string) => notes.push({ name: nameOf(place), text: `${nameOf(place)} ${why}` });
  for (const seed of plan.seeds) {
    for (const one of plan.methods) {
      const place = placeOf(plan, seed, one);
      if (await finished(plan, place)) summaries.push(await summaryOf(plan, place));
      else note(place, 'is not finished.');
    }
    for (const one of plan.flopsMethods) {
      const place = placeOf(plan, seed, one, 'flops');
      const ready =
        (await finished(plan, placeOf(plan, seed, 'sipf'))) && (await finished(plan, placeOf(plan, seed, one)));
      const tokens = ready ? await equalFlops(plan, seed, one) : undefined;
      if (tokens === null) note(place, 'was not run: it costs as much as sipf.');
      else if (tokens !== undefined && (await isFinished(place.dir, await configOf(plan, place, tokens))))
        summaries.push(await summaryOf(plan, place));
      else note(place, 'is not finished.');
    }
  }
  return { summaries, notes };
}
