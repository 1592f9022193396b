// A kind of trainer elsewhere: settings of `engine.trainer`, and how it trains and is checked.
import type { z } from 'zod';
import type { ModelStore, Trainer } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { Waits } from '../remote/server-requests.ts';

/** Settings of a kind. */
export type Kind = z.ZodObject<{ readonly kind: z.ZodLiteral<string> }, z.core.$ZodObjectConfig>;

/** What a trainer has of the place where it is opened. */
export interface TrainerParts extends Waits {
  /** Knows model folders: what training makes is described by it. */
  readonly store: Pick<ModelStore, 'describe'>;
  /** Told what the user should know of a training. */
  readonly log: (message: string) => void;
  /** Threads of one operation on the processor; null: as many as the place takes. */
  readonly threads: number | null;
  /** Environment variables of the programs that it starts. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What its check has. */
export type CheckParts = Pick<TrainerParts, 'env' | keyof Waits>;

/** One thing that a trainer needs, as `sipf doctor --engine` tells it. */
export interface TrainerFinding {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly value: string;
  /** What to do about it; absent: `value` says it. */
  readonly advice?: string;
}

/**
 * What the user should know before a training begins.
 * @throws SipfError 'provider-unavailable' where something is missing.
 */
export function warningsOf(findings: readonly TrainerFinding[]): string[] {
  const failed = findings.find(({ state }) => state === 'fail');
  if (failed === undefined) return findings.filter(({ state }) => state === 'warn').map(inWords);
  const message = `Expected what engine.trainer needs, got ${inWords(failed)}`;
  throw new SipfError('provider-unavailable', failed.advice === undefined ? failed.value : message);
}

const inWords = ({ name, value, advice = '' }: TrainerFinding) => `${name}: ${value}. ${advice}`.trim();

/** A kind of trainer: what a file of this folder says of it. */
interface TrainerFile<Settings extends Kind> {
  readonly settings: Settings;
  readonly open: (settings: z.output<Settings>, parts: TrainerParts) => Promise<Trainer>;
  /** Looks at what training needs, and trains nothing. */
  readonly check: (settings: z.output<Settings>, parts: CheckParts) => Promise<TrainerFinding[]>;
}

/** A kind as the list has it: it checks settings of unknown origin. */
export interface TrainerKind<Settings extends Kind> {
  readonly settings: Settings;
  /** @throws SipfError 'bad-input' where a setting is none of this kind's, and of the kind itself. */
  open(given: unknown, parts: TrainerParts): Promise<Trainer>;
  check(given: unknown, parts: CheckParts): Promise<TrainerFinding[]>;
}

export function defineTrainer<Settings extends Kind>(file: TrainerFile<Settings>): TrainerKind<Settings> {
  const { settings } = file;
  const checked = (given: unknown): z.output<Settings> => {
    const parsed = settings.safeParse(given);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new SipfError(
      'bad-input',
      `Expected settings of engine.trainer, got ${issue?.path.join('.')}: ${issue?.message}. Correct them.`,
    );
  };
  return {
    settings,
    open: async (given, parts) => file.open(checked(given), parts),
    check: async (given, parts) => file.check(checked(given), parts),
  };
}
