// Ways in which servers score steps -> one table: what each is asked, and how its answer is read.
import { z } from 'zod';
import type { PathTokens, StepPath } from '../backend.ts';
import { SipfError } from '../errors.ts';

/** A path, and its tokens as the model's own files give them. */
export interface AskedPath extends StepPath {
  /** null: the engine here does not tell them. */
  readonly tokens: PathTokens | null;
}

/** The answer to a POST of `body`. @throws SipfError 'unsupported' where it is not of the form of `schema`; 'unreachable'. */
export type Ask = <T>(path: string, body: object, schema: z.ZodType<T>) => Promise<T>;

export interface Way {
  readonly name: string;
  /** Whether the server reads our token ids: a tokenizer of its own has no say then, and its weights are not compared. */
  readonly sendsIds: boolean;
  /**
   * P(step correct) of each step; `hash` is that of the model's files here.
   * @throws SipfError 'unsupported' where the server answers otherwise, 'bad-config' where it has another model.
   */
  readonly score: (path: AskedPath, ask: Ask, hash: string) => Promise<readonly number[]>;
}

const Score = z.number().min(0).max(1);

const OfSteps = z.object({ hash: z.string(), data: z.tuple([z.object({ data: z.array(Score) })]) });
const OfTokens = z.object({ data: z.tuple([z.object({ data: z.array(z.tuple([Score])) })]) });

/** Tried in this order. */
export const WAYS: readonly Way[] = [
  {
    name: 'steps at /pooling, as sipf serve has them',
    sendsIds: false,
    async score({ prompt, steps }, ask, hash) {
      const answer = await ask('/pooling', { input: { prompt, steps } }, OfSteps);
      if (answer.hash !== hash) throw otherModel(hash, answer.hash);
      return counted(answer.data[0].data, steps.length, 'steps');
    },
  },
  {
    name: 'tokens at /pooling, as vLLM has them',
    sendsIds: true,
    async score({ tokens }, ask) {
      if (tokens === null) throw untold();
      const answer = await ask('/pooling', { input: tokens.ids }, OfTokens);
      const scores = counted(answer.data[0].data, tokens.ids.length, 'tokens');
      return tokens.ends.map((end) => scores[end]![0]);
    },
  },
];

function counted<T>(scores: readonly T[], count: number, of: string): readonly T[] {
  if (scores.length === count) return scores;
  throw new SipfError(
    'unsupported',
    `Expected scores of all ${count} ${of}, got ${scores.length}. Start the server as docs/engines.md says.`,
  );
}

function otherModel(here: string, there: string): SipfError {
  return new SipfError(
    'bad-config',
    `Expected the process reward model ${here.slice(0, 16)} (the hash of its files) at the server, got ${there.slice(0, 16)}. Give the server the same files, and both the same engine.quantisation.`,
  );
}

function untold(): SipfError {
  return new SipfError(
    'unsupported',
    'Expected an engine that tells the tokens of paths (encodePaths), got one without. Serve the model with sipf serve.',
  );
}
