// A model that a run made -> the train questions of that run and of the runs before it.
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { readRecords } from '../io/jsonl.ts';
import type { ModelSource } from '../records.ts';
import { Question } from '../records.ts';
import { readJson } from '../run/marker.ts';
import { isRun, StoredConfig } from '../run/no-run.ts';
import type { Seen } from './question-sets.ts';

type TrainedOn = Seen['earlier'][number];

/** Empty for a model that no run made, and for one that a run made from nothing and has not trained. */
export async function trainedOn({ model, adapter }: ModelSource): Promise<TrainedOn[]> {
  const found = new Map<string, TrainedOn>();
  const follow = async (path: string): Promise<void> => {
    const run = await runAround(await realpath(path).catch(() => resolve(path)));
    if (run === null || found.has(run)) return;
    const questions: Question[] = [];
    const file = join(run, 'iteration-0', '0-questions.jsonl');
    if (existsSync(file)) for await (const question of readRecords(file, Question)) questions.push(question);
    found.set(run, { run, questions });
    for (const base of await startOf(run)) await follow(base);
  };
  for (const path of [model, adapter]) if (path !== undefined) await follow(path);
  return [...found.values()];
}

/** What a run started from, whatever version wrote the rest of its configuration. */
async function startOf(run: string): Promise<string[]> {
  const stored = await readJson(join(run, 'config.json'), StoredConfig);
  const paths = [stored?.config.model, stored?.config.adapter].map((path) =>
    typeof path === 'string' ? resolve(run, path) : '',
  );
  return paths.filter(existsSync);
}

/** The run that trained what is in `path`; null: none. */
async function runAround(path: string): Promise<string | null> {
  for (let dir = dirname(path); dir !== dirname(dir); dir = dirname(dir)) {
    const inside = relative(dir, path).split(sep);
    if (inside.length > 3) return null;
    const isPolicy = /^(iteration-\d+|final)$/.test(inside[0] ?? '') && inside[1] !== '0-model';
    if (isPolicy && (await isRun(dir))) return dir;
  }
  return null;
}
