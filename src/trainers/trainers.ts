// The one list of trainers elsewhere: the settings of `engine.trainer` and what opens them follow.
import { z } from 'zod';
import type { Trainer } from '../backend.ts';
import { SipfError, shown } from '../errors.ts';
import { torch } from './torch.ts';
import type { Kind, TrainerFinding, TrainerKind, TrainerParts } from './trainer.ts';

/** Every kind. A further one is a file, and a name here. */
const KINDS = [torch] as const;

export const TrainerSettings = z.discriminatedUnion('kind', [torch.settings]);

/** A trainer elsewhere, as a library names it: settings that are absent have their defaults. */
export type TrainerOptions = z.input<typeof TrainerSettings>;

/** @throws SipfError 'bad-input' where kind or settings are unknown. */
export async function openTrainer(given: TrainerOptions, parts: TrainerParts): Promise<Trainer> {
  return kindOf(given).open(given, parts);
}

/**
 * What a trainer needs and has here.
 * @throws SipfError 'bad-input' where kind or settings are unknown.
 */
export async function checkTrainer(given: TrainerOptions, parts: Pick<TrainerParts, 'env'>): Promise<TrainerFinding[]> {
  return kindOf(given).check(given, parts);
}

function kindOf({ kind }: TrainerOptions): TrainerKind<Kind> {
  const all: readonly TrainerKind<Kind>[] = KINDS;
  const names = all.map(({ settings }) => settings.shape.kind.value);
  const found = all[names.indexOf(kind)];
  if (found !== undefined) return found;
  throw new SipfError(
    'bad-input',
    `Expected a kind of trainer (${names.join(', ')}), got ${shown(kind)}. Name one of them.`,
  );
}
