// A run directory and stages -> completed stages on disk, each exactly once, also after a kill.
import { join } from 'node:path';
import type { z } from 'zod';
import { throwIfAborted } from '../errors.ts';
import { canonicalJson, type Difference, jsonDifference } from '../hashing.ts';
import { exists } from '../io/file-bytes.ts';
import { hashPath } from '../io/file-hashes.ts';
import { type Disk, nodeDisk, removeLeftovers, replaceFile } from '../io/files.ts';
import { Counts } from '../reports.ts';
import type { Storage } from '../storage/storage.ts';
import { collectUnits, type UnitWork } from './collect.ts';
import type { Log, LogEvent, OnProgress } from './events.ts';
import { journalPath } from './journal.ts';
import { takeLock } from './lock.ts';
import {
  checkMarker,
  inputChanges,
  type Marker,
  markerPath,
  readMarker,
  recordsFile,
  type StageName,
} from './marker.ts';
import { checkStored, type StoredConfiguration } from './run-folder.ts';
import { checkRunStorage, RunStorage } from './run-storage.ts';

interface RunOptions extends StoredConfiguration {
  /** Where models execute; a run may continue elsewhere. */
  readonly engine?: unknown;
  readonly versions: Readonly<Record<string, string>>;
  /** An older run: its stages with equal inputs are copied instead of run. */
  readonly reuse?: string | undefined;
  /** Where finished stages are kept, too, and where those that are missing here come from. The caller disposes it. */
  readonly storage?: Storage | null | undefined;
  readonly disk?: Disk | undefined;
  readonly clock: () => Date;
  readonly log: Log;
  readonly onProgress: OnProgress;
  readonly signal?: AbortSignal | undefined;
}

interface OnceArgs<R> {
  readonly stage: StageName;
  /** Everything the stage depends on: its options, hashes of files and models. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** File or folder names in the stage's folder. */
  readonly outputs: readonly string[];
  readonly result: z.ZodType<R>;
  readonly body: () => Promise<R>;
}

/** One run directory with its lock. Artefacts hold no times and no absolute paths; events.jsonl does. */
export class Run implements AsyncDisposable {
  readonly dir: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: OnProgress;
  readonly #options: RunOptions;
  readonly #disk: Disk;
  readonly #lock: AsyncDisposable;
  readonly #storage: RunStorage | null;
  #events: Promise<void> = Promise.resolve();
  #moved = '';
  #versions: RunOptions['versions'];
  /** Where what is stored was executed, and what of that is another now: kept and told when the first stage runs. */
  #engine: unknown;
  #engines: readonly Difference[] = [];

  private constructor(options: RunOptions, disk: Disk, lock: AsyncDisposable) {
    this.dir = options.dir;
    this.signal = options.signal;
    this.onProgress = options.onProgress;
    this.#options = options;
    this.#disk = disk;
    this.#lock = lock;
    const { dir, storage, signal } = options;
    const say = (message: string) => this.log({ type: 'storage', message });
    this.#storage = storage ? new RunStorage(storage, dir, { disk, signal, say }) : null;
    this.#versions = options.versions;
    this.#engine = options.engine;
  }

  /**
   * Begins a run in a directory, or continues the one that is there.
   * @throws SipfError 'locked' for a second writer, 'config-changed' (naming the keys) where a run of another configuration is there; and of the storage.
   */
  static async open(options: RunOptions): Promise<Run> {
    const disk = options.disk ?? nodeDisk;
    await disk.makeFolder(options.dir);
    const lock = await takeLock(disk, options.dir);
    const run = new Run(options, disk, lock);
    try {
      await removeLeftovers(disk, options.dir);
      if (options.storage) await checkRunStorage(options.storage, options);
      if (!(await exists(run.path('config.json')))) await run.#storage?.fetchConfig();
      await run.#checkConfig();
      await run.#storage?.writeConfig();
      run.log({ type: 'run', data: { dir: options.dir, pid: process.pid, versions: options.versions } });
      return run;
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  /** A stage in messages: `iteration-1/6-policy`. */
  nameOf({ folder, name }: StageName): string {
    return `${folder}/${name}`;
  }

  /** To the caller's log, and with the time to events.jsonl. */
  log(event: LogEvent): void {
    this.#options.log(event);
    const line = `${JSON.stringify({ time: this.#options.clock().toISOString(), ...event })}\n`;
    this.#events = this.#events.then(() => this.#disk.append(this.path('events.jsonl'), line, false));
    // Reported by the next stage, which awaits it.
    this.#events.catch(() => undefined);
  }

  warn(message: string, stage?: StageName): void {
    this.log({
      type: 'warning',
      message,
      ...(stage === undefined ? {} : { stage: stage.name, iteration: stage.iteration }),
    });
  }

  /** Keeps where a run that was moved finds what it reads, once the hashes have said that it is the same. */
  async settlePaths(): Promise<void> {
    if (this.#moved === '') return;
    await this.#writeConfig();
    this.warn(`Nothing is at the paths that this run was begun with, so it continues with others:\n${this.#moved}`);
    this.#moved = '';
  }

  /**
   * Runs `body` unless its completion marker says that it has run on equal inputs; then its outputs are checked and its figures returned.
   * @throws SipfError 'config-changed' where the inputs differ, 'bad-input' where an output is not what was written; and of the storage, after the stage
   * is whole here.
   */
  async once<R>({ stage, inputs, outputs, result, body }: OnceArgs<R>): Promise<R> {
    throwIfAborted(this.signal);
    await this.#events;
    const done =
      (await readMarker(this.dir, stage)) ??
      (await this.#storage?.fetch(stage, inputs)) ??
      (await this.#reuse(stage, inputs));
    if (done !== null) {
      await checkMarker(this.dir, stage, done, inputs);
      await this.#storage?.keep(stage, done);
      await this.#disk.remove(journalPath(this.dir, stage));
      this.log({ type: 'stage-skipped', stage: stage.name, iteration: stage.iteration });
      return result.parse(done.result);
    }
    await this.#settleEngine(stage);
    this.log({ type: 'stage-start', stage: stage.name, iteration: stage.iteration });
    await this.#disk.makeFolder(this.path(stage.folder, 'done'));
    const value = await body();
    const hashes = await this.#hashesOf(stage, outputs);
    const marker = { stage: stage.name, inputs: { ...inputs }, outputs: hashes, result: value };
    await this.#writeMarker(stage, marker);
    await this.#storage?.keep(stage, marker);
    this.log({ type: 'stage-end', stage: stage.name, iteration: stage.iteration, data: { result: value } });
    await this.#events;
    return value;
  }

  /** `once` for a stage that is a list of units: each is journaled whole, and the file is assembled at the end. Returns the summed counts. */
  async collect<Item, C extends AsyncDisposable>(work: UnitWork<Item, C>): Promise<Counts> {
    const { stage, inputs } = work;
    const file = recordsFile(stage);
    const { signal, onProgress } = this;
    const journal = journalPath(this.dir, stage);
    const place = { disk: this.#disk, journal, out: this.path(stage.folder, file), signal, onProgress };
    const body = () => collectUnits(work, place);
    const counts = await this.once({ stage, inputs, outputs: [file], result: Counts, body });
    await this.#disk.remove(journal);
    return counts;
  }

  async writeJson(stage: StageName, file: string, value: unknown): Promise<void> {
    await replaceFile(this.#disk, this.path(stage.folder, file), [jsonText(value)]);
  }

  async writeRecords(
    stage: StageName,
    file: string,
    records: AsyncIterable<unknown> | Iterable<unknown>,
  ): Promise<void> {
    await replaceFile(this.#disk, this.path(stage.folder, file), jsonLines(records));
  }

  /** Hash of an output of a completed stage, from its marker. */
  async outputHash(stage: StageName, output: string): Promise<string> {
    const marker = await readMarker(this.dir, stage);
    const hash = marker?.outputs[output];
    if (hash === undefined) throw new Error(`Expected ${stage.folder}/${stage.name} to be complete with ${output}.`);
    return hash;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events.catch(() => undefined);
    await this.#lock[Symbol.asyncDispose]();
  }

  async #hashesOf({ folder, name }: StageName, outputs: readonly string[]): Promise<Marker['outputs']> {
    const hashes: Record<string, string> = {};
    for (const output of outputs) {
      const hash = await hashPath(this.path(folder, output));
      if (hash === null) throw new Error(`Expected the stage ${name} to write ${output}, got nothing.`);
      hashes[output] = hash;
    }
    return hashes;
  }

  async #writeMarker(stage: StageName, marker: Marker): Promise<void> {
    await replaceFile(this.#disk, markerPath(this.dir, stage), [jsonText(marker)]);
  }

  async #checkConfig(): Promise<void> {
    const stored = await checkStored(this.#options);
    if (stored === null) return this.#writeConfig();
    this.#moved = stored.moved;
    if (stored.changes !== '') {
      // Nothing was finished under the old one, which most likely is why it was changed.
      await this.#writeConfig();
      return this.warn(`No stage had finished: this run takes the new configuration.\n${stored.changes}`);
    }
    const engine: unknown = JSON.parse(JSON.stringify(this.#options.engine ?? null));
    this.#engines = stored.engine === undefined ? [] : jsonDifference(stored.engine, engine, 'engine').filter(isChange);
    this.#engine = stored.engine;
    this.#versions = stored.versions;
    for (const change of jsonDifference(stored.versions, this.#options.versions)) this.#warnOf(change);
  }

  /** Keeps where the run executes now. */
  async #settleEngine(stage: StageName): Promise<void> {
    if (this.#engines.length === 0) return;
    const isDrawing = ({ key }: Difference) => /^engine\.(?:sampler|module|quantisation|precision)\b/.test(key);
    const [from, to] = drawnWith(this.#engines.filter(isDrawing));
    if (from !== '')
      this.warn(
        `All that is stored up to ${this.nameOf(stage)} was drawn with ${from}; what follows is drawn with ${to}.`,
      );
    for (const change of this.#engines) if (!isDrawing(change) && !isPlace(change)) this.#warnOf(change);
    this.#engines = [];
    this.#engine = this.#options.engine;
    // Other paths are kept later, with it.
    if (this.#moved === '') await this.#writeConfig();
  }

  #warnOf({ key, from, to }: Difference): void {
    this.warn(
      `This run was begun with ${key} ${inWords(from)} and continues with ${inWords(to)}: its figures may differ in the last digits.`,
    );
  }

  async #writeConfig(): Promise<void> {
    const { config } = this.#options;
    const stored = { config, engine: this.#engine, versions: this.#versions };
    await replaceFile(this.#disk, this.path('config.json'), [jsonText(stored)]);
    await this.#storage?.writeConfig();
  }

  async #reuse(stage: StageName, inputs: Marker['inputs']): Promise<Marker | null> {
    const { reuse } = this.#options;
    if (reuse === undefined) return null;
    const marker = await readMarker(reuse, stage);
    if (marker === null || inputChanges(marker, inputs).length > 0) return null;
    await this.#disk.makeFolder(this.path(stage.folder, 'done'));
    for (const output of Object.keys(marker.outputs)) {
      await this.#disk.remove(this.path(stage.folder, output));
      await this.#disk.copy(join(reuse, stage.folder, output), this.path(stage.folder, output));
    }
    await this.#writeMarker(stage, marker);
    return marker;
  }
}

async function* jsonLines(records: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<string> {
  for await (const record of records) yield `${JSON.stringify(record)}\n`;
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** A setting that a run is older than was not there: as null is, which sets nothing. */
const isChange = ({ from, to }: Difference): boolean => from !== undefined || to !== null;

/** Where finished stages are kept changes no figure. */
const isPlace = ({ key }: Difference): boolean => key === 'engine.storage';

/** What drew before and what draws now, each in words. */
function drawnWith(changes: readonly Difference[]): readonly [string, string] {
  const words = (side: 'from' | 'to') => changes.map((change) => `${change.key} ${inWords(change[side])}`).join(', ');
  return [words('from'), words('to')];
}

function inWords(value: unknown): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}
