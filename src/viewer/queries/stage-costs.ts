// Completion markers and events of a round -> what each of its stages cost.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { addCosts, NO_COST, type TokenCost } from '../../pipeline/cost.ts';
import { Counts, Trained } from '../../reports.ts';
import { readJson } from '../../run/marker.ts';
import type { StageCost } from '../api.ts';

/** What a marker says was spent: on a trained model, by counts, or beside something else. */
const Spent = z.union([
  Trained.transform(({ counts, trainTokens }) => ({ counts, trainTokens })),
  Counts.transform((counts) => ({ counts, trainTokens: 0 })),
  z.object({ counts: Counts }).transform(({ counts }) => ({ counts, trainTokens: 0 })),
  z.unknown().transform(() => ({ counts: {}, trainTokens: 0 })),
]);
const Done = z.object({ result: Spent });

/** A stage that is done: its counts by name, and what it trained on. */
export interface DoneStage {
  readonly stage: string;
  readonly counts: Counts;
  readonly cost: TokenCost;
}

/** In the order of their names, which is that of their work. */
export async function doneStages(dir: string, iteration: number): Promise<DoneStage[]> {
  const folder = join(dir, `iteration-${iteration}`, 'done');
  const names = await readdir(folder).catch(() => []);
  const stages: DoneStage[] = [];
  for (const name of names.filter((own) => own.endsWith('.json') && !own.startsWith('.')).sort()) {
    const done = await readJson(join(folder, name), Done);
    if (done === null) continue;
    const { counts, trainTokens } = done.result;
    const cost = addCosts(addCosts(NO_COST, counts), { trainTokens });
    stages.push({ stage: name.slice(0, -'.json'.length), counts, cost });
  }
  return stages;
}

/** Those that read, wrote or trained, with the time that events give them. `seconds`: by `iteration/stage`. */
export function stageCosts(
  stages: readonly DoneStage[],
  iteration: number,
  seconds: ReadonlyMap<string, number>,
): StageCost[] {
  return stages
    .filter(({ cost }) => Object.values(cost).some((tokens) => tokens > 0))
    .map(({ stage, cost }) => ({ stage, seconds: seconds.get(`${iteration}/${stage}`) ?? null, ...cost }));
}
