// The one list of scorers elsewhere: the settings of `engine.scorer` and what opens them.
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { OpenAiScorer, openServerScorer, type ScorerParts, type ServerScorer } from './openai.ts';

/** Every kind. A further one is a file, and a name here and below. */
export const ScorerSettings = z.discriminatedUnion('kind', [OpenAiScorer]);

/** A scorer elsewhere, as a library names it: settings that are absent have their defaults. */
export type ScorerOptions = z.input<typeof ScorerSettings>;

/** @throws SipfError 'bad-input' where kind or settings are unknown; as `openServerScorer` does. */
export function openScorer(given: ScorerOptions, parts: ScorerParts): ServerScorer {
  const parsed = ScorerSettings.safeParse(given);
  if (parsed.success) return openServerScorer(parsed.data, parts);
  const [issue] = parsed.error.issues;
  throw new SipfError(
    'bad-input',
    `Expected settings of engine.scorer, got ${issue?.path.join('.')}: ${issue?.message}. Correct them.`,
  );
}
