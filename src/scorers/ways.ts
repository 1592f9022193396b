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

export type ScorePath = (path: AskedPath, ask: Ask) => Promise<readonly number[]>;

export interface Way {
  readonly name: string;
  /** Whether the server reads our token ids: a tokenizer of its own has no say then, and its weights are not compared. */
  readonly sendsIds: boolean;
  /**
   * Asks what has to be known once; gives P(step correct) of each step of a path. `hash` is that of the model's files here.
   * @throws SipfError 'unsupported' where the server answers otherwise, 'bad-config' where it has another model.
   */
  readonly open: (ask: Ask, hash: string) => Promise<ScorePath>;
}

const Score = z.number().min(0).max(1);

const OfSteps = z.object({ hash: z.string(), data: z.tuple([z.object({ data: z.array(Score) })]) });

const texts: Way = {
  name: 'steps at /pooling, as sipf serve has them',
  sendsIds: false,
  open:
    async (_, hash) =>
    async ({ prompt, steps }, ask) => {
      const answer = await ask('/pooling', { input: { prompt, steps } }, OfSteps);
      if (answer.hash !== hash) throw otherModel(hash, answer.hash);
      return counted(answer.data[0].data, steps.length, 'steps');
    },
};

const OfTokens = z.object({ data: z.tuple([z.object({ data: z.array(z.tuple([Score])) })]) });

const tokens: Way = {
  name: 'tokens at /pooling, as vLLM has them',
  sendsIds: true,
  open: async () => async (path, ask) => {
    const { ids, ends } = toldTokens(path);
    const answer = await ask('/pooling', { input: ids }, OfTokens);
    const scores = counted(answer.data[0].data, ids.length, 'tokens');
    return ends.map((end) => scores[end]![0]);
  },
};

const OneToken = z.object({ tokens: z.tuple([z.int()]) });
const OfPrompt = z.object({
  choices: z.tuple([z.object({ logprobs: z.object({ token_logprobs: z.array(z.number().nullable()) }) })]),
});

/** P = sigmoid(log P(good) - log P(bad)) behind each step: the output rows of these two tokens are the model's head. */
const twoTokens: Way = {
  name: 'two tokens at /v1/completions, as causal LMs have them',
  sendsIds: true,
  async open(askOnce) {
    const idOf = async (prompt: string) =>
      (await askOnce('/tokenize', { prompt, add_special_tokens: false }, OneToken)).tokens[0];
    const [good, bad] = [await idOf('<|good|>'), await idOf('<|bad|>')];
    return async (path, ask) => {
      const { ids, ends } = toldTokens(path);
      const logpOf = async (prompt: readonly number[]): Promise<number> => {
        const body = { prompt, echo: true, logprobs: 1, max_tokens: 1, temperature: 0 };
        const { choices } = await ask('/v1/completions', body, OfPrompt);
        const logp = choices[0].logprobs.token_logprobs[prompt.length - 1];
        if (logp != null) return logp;
        throw new SipfError(
          'unsupported',
          'Expected the log-probability of a given token, got none. Serve it by vLLM.',
        );
      };
      const scores: number[] = [];
      for (const end of ends) {
        const before = ids.slice(0, end + 1);
        scores.push(1 / (1 + Math.exp((await logpOf([...before, bad])) - (await logpOf([...before, good])))));
      }
      return scores;
    };
  },
};

/** Tried in this order. */
export const WAYS: readonly Way[] = [texts, tokens, twoTokens];

function toldTokens({ tokens: told }: AskedPath): PathTokens {
  if (told !== null) return told;
  throw new SipfError(
    'unsupported',
    'Expected an engine that tells the tokens of paths (encodePaths), got one without. Serve the model with sipf serve.',
  );
}

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
