// Units of work -> one JSONL file of their records. A journal keeps each finished unit.
import { stat } from 'node:fs/promises';
import { throwIfAborted } from '../errors.ts';
import { canonicalJson, sha256 } from '../hashing.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import type { Counts } from '../reports.ts';
import type { OnProgress } from './events.ts';
import { Journal } from './journal.ts';
import type { StageName } from './marker.ts';
import type { StageOutput } from './units.ts';

/** Units of work, fixed by configuration and inputs, and how much there is of it in all. */
interface Units<U> {
  readonly total: number;
  readonly units: AsyncIterable<U> | Iterable<U>;
}

/** A stage of units. `C`: what is opened for them, when the first unit that is not done yet begins. */
export interface UnitWork<U, C extends AsyncDisposable> {
  readonly stage: StageName;
  /** Everything the records depend on: a journal of other inputs is dropped. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** JSONL file in the stage's folder. */
  readonly file: string;
  readonly units: () => Promise<Units<U>> | Units<U>;
  readonly sizeOf: (unit: U) => number;
  /** What `sizeOf` and `total` count. */
  readonly unit: string;
  readonly open: () => Promise<C>;
  /** Calls `onDone` with how much of the unit is done. */
  readonly each: (unit: U, opened: C, onDone: (done: number) => void) => Promise<StageOutput<unknown>>;
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
export async function collectUnits<U, C extends AsyncDisposable>(
  work: UnitWork<U, C>,
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

async function runUnits<U, C extends AsyncDisposable>(
  { stage: { name: stage, iteration }, units: unitsOf, sizeOf, unit: counted, open, each }: UnitWork<U, C>,
  journal: Journal,
  { out, signal, onProgress }: Pick<CollectPlace, 'out' | 'signal' | 'onProgress'>,
): Promise<void> {
  const already = journal.units;
  const { total, units } = await unitsOf();
  let opened: C | null = null;
  let [index, finished] = [0, 0];
  const report = (done: number) => onProgress({ stage, iteration, done: finished + done, total, unit: counted });
  try {
    for await (const unit of units) {
      throwIfAborted(signal);
      if (index >= already) {
        opened ??= await open();
        await journal.add(await each(unit, opened, report));
      }
      index += 1;
      finished += sizeOf(unit);
      report(0);
    }
  } finally {
    await opened?.[Symbol.asyncDispose]();
  }
  if (index < already) throw new Error(`Expected at least ${already} units for ${out}, got ${index}.`);
}
