// A model that a run made -> the train questions of that run and of the runs before it.
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { SipfError } from '../errors.ts';
import { isOffline } from '../io/hub.ts';
import { readRecords } from '../io/jsonl.ts';
import type { ModelSource } from '../records.ts';
import { Question } from '../records.ts';
import { parseJson, readJson } from '../run/marker.ts';
import { isRun, StoredConfig } from '../run/no-run.ts';
import { addressBelow, isStorageAddress } from '../storage/address.ts';
import { openStorage } from '../storage/storage.ts';
import type { Seen } from './question-sets.ts';

type TrainedOn = Seen['earlier'][number];

/** Empty for a model that no run made, and for one that a run made from nothing and has not trained. @throws SipfError of a storage that has it. */
export async function trainedOn({ model, adapter }: ModelSource): Promise<TrainedOn[]> {
  const found = new Map<string, TrainedOn>();
  const follow = async (path: string): Promise<void> => {
    const made = isStorageAddress(path) ? await storedRun(path) : await localRun(path);
    if (made === null || found.has(made.run)) return;
    found.set(made.run, made);
    for (const base of made.bases) await follow(base);
  };
  for (const path of [model, adapter]) if (path !== undefined) await follow(path);
  return [...found.values()];
}

/** A run, and the models that it started from. */
interface Made extends TrainedOn {
  readonly bases: readonly string[];
}

const QUESTIONS = 'iteration-0/0-questions.jsonl';

async function localRun(path: string): Promise<Made | null> {
  const run = await runAround(await realpath(path).catch(() => resolve(path)));
  if (run === null) return null;
  const questions: Question[] = [];
  const file = join(run, QUESTIONS);
  if (existsSync(file)) for await (const question of readRecords(file, Question)) questions.push(question);
  const stored = await readJson(join(run, 'config.json'), StoredConfig);
  return { run, questions, bases: basesOf(stored, (base) => resolve(run, base)) };
}

/** The same in a storage. One that shows the model alone shows no run. */
async function storedRun(address: string): Promise<Made | null> {
  const [, run] = /^(.+)\/(?:iteration-\d+|final)\/(?!0-model$)[^/]+$/.exec(addressBelow(address)) ?? [];
  if (run === undefined || isOffline()) return null;
  using storage = await openStorage(run);
  const config = await storage.readText('config.json').catch((thrown: unknown) => {
    if (thrown instanceof SipfError && thrown.code === 'bad-config') return null;
    throw thrown;
  });
  if (config === null) return null;
  const lines = ((await storage.readText(QUESTIONS)) ?? '').split('\n').filter((line) => line !== '');
  const questions = lines.map((line) => parseJson(line, Question, addressBelow(run, QUESTIONS)));
  const stored = parseJson(config, StoredConfig, addressBelow(run, 'config.json'));
  return { run, questions, bases: basesOf(stored, () => null) };
}

/** What a run started from, whatever version wrote the rest of its configuration. `place`: where a path in it is; null: on another machine. */
function basesOf(stored: z.infer<typeof StoredConfig> | null, place: (base: string) => string | null): string[] {
  return [stored?.config.model, stored?.config.adapter].flatMap((base) => {
    if (typeof base !== 'string') return [];
    if (isStorageAddress(base)) return [base];
    const path = place(base);
    return path !== null && existsSync(path) ? [path] : [];
  });
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
