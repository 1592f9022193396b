// Units of work, some at a time -> one JSONL file of their records; a journal keeps finished units.
import { stat } from 'node:fs/promises';
import { throwIfAborted } from '../errors.ts';
import { canonicalJson, sha256 } from '../hashing.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import type { Counts } from '../reports.ts';
import { eachAtOnce } from './at-once.ts';
import type { OnProgress } from './events.ts';
import { Journal } from './journal.ts';
import type { StageName } from './marker.ts';
import { addCounts, inUnits, type StageOutput } from './units.ts';

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
  /** How many units at a time keep what is opened busy; absent: 1. */
  readonly atOnce?: ((opened: C) => number) | undefined;
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
  let counts: Counts = {};
  // In the order of the units, so that names in the sum have the same order whatever ended first.
  async function* lines(): AsyncGenerator<string> {
    for await (const { records, counts: own } of journal.outputs()) {
      counts = addCounts(counts, own);
      for (const record of records) yield `${JSON.stringify(record)}\n`;
    }
  }
  await replaceFile(disk, out, lines());
  return counts;
}

async function runUnits<Item, C extends AsyncDisposable>(
  work: UnitWork<Item, C>,
  journal: Journal,
  { out, signal, onProgress }: Pick<CollectPlace, 'out' | 'signal' | 'onProgress'>,
): Promise<void> {
  const { stage, sizeOf = () => 1, counted, atOnce = () => 1 } = work;
  const { total, items } = await work.items();
  const progress = new Progress(sizeOf, (done) =>
    onProgress({ stage: stage.name, iteration: stage.iteration, done, total, unit: counted }),
  );
  let opened = null as C | null;
  let index = 0;
  /** Units that the journal lacks, with their numbers. */
  async function* undone(): AsyncGenerator<{ unit: Item[]; number: number; by: C }> {
    for await (const unit of inUnits(items, work.unit)) {
      throwIfAborted(signal);
      const number = index;
      index += 1;
      if (journal.has(number)) progress.of(unit)();
      else {
        opened ??= await work.open();
        yield { unit, number, by: opened };
      }
    }
  }
  const most = () => (opened === null ? 1 : atOnce(opened));
  try {
    await eachAtOnce(undone(), most, async ({ unit, number, by }) => {
      const onDone = progress.of(unit);
      await journal.add(await work.each(unit, by, onDone), number);
      onDone();
    });
  } finally {
    await opened?.[Symbol.asyncDispose]();
  }
  if (journal.units > index) throw new Error(`Expected at least ${journal.units} units for ${out}, got ${index}.`);
}

/** Adds up what is done of all units. */
class Progress<Item> {
  readonly #sizeOf: (item: Item) => number;
  readonly #report: (done: number) => void;
  #done = 0;

  constructor(sizeOf: (item: Item) => number, report: (done: number) => void) {
    this.#sizeOf = sizeOf;
    this.#report = report;
  }

  /** Takes how much of a unit is done; nothing: all of it. */
  of(unit: readonly Item[]): (done?: number) => void {
    const size = unit.reduce((sum, item) => sum + this.#sizeOf(item), 0);
    let before = 0;
    return (done = size) => {
      this.#done += done - before;
      before = done;
      this.#report(this.#done);
    };
  }
}
