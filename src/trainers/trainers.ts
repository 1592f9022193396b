// The one list of trainers elsewhere: the settings of `engine.trainer` and what opens them follow.
import { z } from 'zod';
import type { Trainer } from '../backend.ts';
import { SipfError, shown } from '../errors.ts';
import { torch } from './torch.ts';
import type { CheckParts, Kind, TrainerFinding, TrainerKind, TrainerParts } from './trainer.ts';

/** Settings, opening and check of one trainer out of several kinds. */
function trainersOf<Settings extends readonly [Kind, ...Kind[]]>(
  ...kinds: { readonly [I in keyof Settings]: TrainerKind<Settings[I]> }
) {
  const all: readonly TrainerKind<Kind>[] = kinds;
  const names = all.map(({ settings }) => settings.shape.kind.value);
  // `map` forgets which kind is where.
  const settings = all.map((kind) => kind.settings) as readonly Kind[] as Settings;
  const kindOf = ({ kind }: { readonly kind: string }): TrainerKind<Kind> => {
    const found = all[names.indexOf(kind)];
    if (found !== undefined) return found;
    throw new SipfError(
      'bad-input',
      `Expected a kind of trainer (${names.join(', ')}), got ${shown(kind)}. Name one of them.`,
    );
  };
  return {
    settings: z.discriminatedUnion('kind', settings),
    open: async (given: z.input<Settings[number]>, parts: TrainerParts): Promise<Trainer> =>
      kindOf(given).open(given, parts),
    check: async (given: z.input<Settings[number]>, parts: CheckParts): Promise<TrainerFinding[]> =>
      kindOf(given).check(given, parts),
  };
}

/** Every kind. A further one is a file, and a name here. */
const TRAINERS = trainersOf(torch);

export const TrainerSettings = TRAINERS.settings;

/** A trainer elsewhere, as a library names it: settings that are absent have their defaults. */
export type TrainerOptions = z.input<typeof TrainerSettings>;

/** @throws SipfError 'bad-input' where kind or settings are unknown. */
export const openTrainer = TRAINERS.open;

/** What a trainer needs and has here. @throws SipfError 'bad-input' where kind or settings are unknown. */
export const checkTrainer = TRAINERS.check;
