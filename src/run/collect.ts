// Units of work -> one JSONL file of their records. A journal keeps each finished unit.
import { stat } from 'node:fs/promises';
import { throwIfAborted } from '../errors.ts';
import { canonicalJson, sha256 } from '../hashing.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import type { Counts } from '../reports.ts';
import type { OnProgress } from './events.ts';
import { Journal } from './journal.ts';
import type { StageName } from './marker.ts';
import { inUnits, type StageOutput } from './units.ts';

/** Items, fixed by configuration and inputs, and how much there is of them in all. */
export interface Items<Item> {
  readonly total: number;
  readonly items: AsyncIterable<Item> | Iterable<Item>;
}

/** A stage of items, worked on in units. `C`: what is opened for them, when the first unit that is not done yet begins. */
export interface UnitWork<Item, C extends AsyncDisposable> {
  readonly stage: StageName;
  /** Everything the records depend on: a journal of other inputs is dropped. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly items: () => Promise<Items<Item>> | Items<Item>;
  /** How much of `total` an item is; absent: 1. */
  readonly sizeOf?: ((item: Item) => number) | undefined;
  /** What `total` counts. */
  readonly counted: string;
  /** Items of a unit. */
  readonly unit: number;
  readonly open: () => Promise<C>;
  /** Calls `onDone` with how much of the unit is done. */
  readonly each: (unit: readonly Item[], opened: C, onDone: (done: number) => void) => Promise<StageOutput<unknown>>;
}

interface CollectPlace {
  readonly disk: Disk;
  /** Paths of the journal and of the file. The caller removes the journal. */
  readonly journal: string;
  readonly out: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: OnProgress;
}

/** Runs the units that the journal lacks, then writes the records of all. Returns the summed counts. */
export async function collectUnits<Item, C extends AsyncDisposable>(
  work: UnitWork<Item, C>,
  place: CollectPlace,
): Promise<Counts> {
  const { disk, journal: path, out } = place;
  const exists = (await stat(path).catch(() => null)) !== null;
  const journal = await Journal.open(disk, path, sha256(canonicalJson(work.inputs)), exists);
  try {
    await runUnits(work, journal, place);
  } catch (error) {
    // There is nothing in it to continue from.
    if (journal.units === 0) await disk.remove(path);
    throw error;
  }
  await replaceFile(disk, out, journal.lines());
  return { ...journal.counts };
}

async function runUnits<Item, C extends AsyncDisposable>(
  { stage: { name: stage, iteration }, sizeOf = () => 1, counted, ...work }: UnitWork<Item, C>,
  journal: Journal,
  { out, signal, onProgress }: Pick<CollectPlace, 'out' | 'signal' | 'onProgress'>,
): Promise<void> {
  const already = journal.units;
  const { total, items } = await work.items();
  let opened: C | null = null;
  let [index, finished] = [0, 0];
  const report = (done: number) => onProgress({ stage, iteration, done: finished + done, total, unit: counted });
  try {
    for await (const unit of inUnits(items, work.unit)) {
      throwIfAborted(signal);
      if (index >= already) {
        opened ??= await work.open();
        await journal.add(await work.each(unit, opened, report));
      }
      index += 1;
      for (const item of unit) finished += sizeOf(item);
      report(0);
    }
  } finally {
    await opened?.[Symbol.asyncDispose]();
  }
  if (index < already) throw new Error(`Expected at least ${already} units for ${out}, got ${index}.`);
}
