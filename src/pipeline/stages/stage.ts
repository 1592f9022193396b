// What a stage reads, writes, depends on and does, said once -> a function that does it.
import type { Config } from '../../config/schema.ts';
import type { Checkpoint } from '../../records.ts';
import { Counts } from '../../reports.ts';
import type { Items } from '../../run/collect.ts';
import type { StageOutput } from '../../run/units.ts';
import { type RecordsName, stageOf, type Work } from '../workspace.ts';
import { type TrainStage, train } from './training.ts';

interface Said {
  /** Sections of the configuration that it reads. */
  readonly settings: readonly (keyof Config)[];
  needed(work: Work): boolean;
  /** All that it depends on. A finished stage that finds others ends the run with 'config-changed'. */
  inputs(work: Work): Promise<Readonly<Record<string, unknown>>>;
}

/** Does the stage where the method needs it. */
export interface Stage<R = void> extends Said {
  (round: Work): Promise<R>;
  /** Does it for every method, as a command does. */
  readonly perform: (work: Work) => Promise<R>;
  /** Its name: that of its file or folder, its marker and its place in reports. */
  readonly writes: string;
}

/** Items that are worked on in units, each kept as soon as it is done. `C`: what is opened for them. */
interface UnitStage<Item, C extends AsyncDisposable> extends Said {
  readonly writes: RecordsName;
  readonly counted: 'questions' | 'paths';
  items(work: Work): Promise<Items<Item>>;
  /** How much of the total an item is; absent: 1. */
  sizeOf?(item: Item): number;
  unit(config: Config): number;
  open(work: Work): Promise<C>;
  /** Units at a time; absent: one. */
  atOnce?(opened: C, config: Config): number;
  each(unit: readonly Item[], opened: C, work: Work, onDone: (done: number) => void): Promise<StageOutput<unknown>>;
}

export function inUnitsOf<Item, C extends AsyncDisposable>(said: UnitStage<Item, C>): Stage {
  const perform = async (work: Work): Promise<void> => {
    work.found.counts[said.writes] = await work.store.collect<Item, C>({
      stage: stageOf(work.k, said.writes),
      inputs: await said.inputs(work),
      items: () => said.items(work),
      sizeOf: said.sizeOf,
      counted: said.counted,
      unit: said.unit(work.config),
      open: () => said.open(work),
      ...(said.atOnce && { atOnce: (opened: C) => said.atOnce!(opened, work.config) }),
      each: (unit, opened, onDone) => said.each(unit, opened, work, onDone),
    });
  };
  return stageDone(said, perform, () => undefined);
}

/** A stage whose records come all at once. */
interface WholeStage extends Said {
  readonly writes: RecordsName;
  all(work: Work): Promise<StageOutput<unknown>>;
}

export function atOnce(said: WholeStage): Stage {
  const perform = async (work: Work): Promise<void> => {
    const { store, found, k } = work;
    const stage = stageOf(k, said.writes);
    const file = `${said.writes}.jsonl`;
    const body = async () => {
      const { records, counts } = await said.all(work);
      await store.writeRecords(stage, file, records);
      return counts;
    };
    const inputs = await said.inputs(work);
    found.counts[said.writes] = await store.once({ stage, inputs, outputs: [file], result: Counts, body });
  };
  return stageDone(said, perform, () => undefined);
}

/** A stage that trains a model, which it returns: the policy as it was where the method does without. */
export function training(said: TrainStage & Said): Stage<Checkpoint> {
  const perform = async (work: Work): Promise<Checkpoint> => {
    const inputs = await said.inputs(work);
    const trained = await train(work, { ...said, place: stageOf(work.k, said.writes), inputs });
    work.found[said.finds] = trained;
    return trained.checkpoint;
  };
  return stageDone(said, perform, ({ policy }) => policy);
}

/** A stage of `perform`, done where it is needed; `without`: its result where it is not. */
export function stageDone<R>(
  said: Said & { readonly writes: string },
  perform: (work: Work) => Promise<R>,
  without: (work: Work) => R,
): Stage<R> {
  const call = async (round: Work): Promise<R> => (said.needed(round) ? perform(round) : without(round));
  return Object.assign(call, said, { perform });
}
