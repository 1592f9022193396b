// Answers of POST /v1/completions as servers give them -> checked, and a completion made of one.
import { z } from 'zod';
import type { Completion } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { readJson } from '../remote/json-answer.ts';
import type { Reply, Tried } from '../remote/server-requests.ts';

const Count = z.number().int().min(0);

/** Log-probabilities of a choice: vLLM's and SGLang's form, and llama.cpp's (content). */
const Logprobs = z.object({
  token_logprobs: z.array(z.number().nullable()).nullish(),
  content: z.array(z.object({ id: Count.optional(), logprob: z.number() })).nullish(),
});

const Choice = z.object({
  text: z.string(),
  finish_reason: z.string().nullish(),
  token_ids: z.array(Count).nullish(),
  prompt_token_ids: z.array(Count).nullish(),
  logprobs: Logprobs.nullish(),
  /** vLLM: of each token of the prompt, log-probabilities by token id. */
  prompt_logprobs: z.array(z.record(z.string(), z.object({ logprob: z.number() })).nullable()).nullish(),
});
export type Choice = z.infer<typeof Choice>;

export const Answer = z.object({
  choices: z.tuple([Choice]),
  usage: z.object({ prompt_tokens: Count, completion_tokens: Count }).nullish(),
});
export type Answer = z.infer<typeof Answer>;

/**
 * A whole completion, or a problem that another try may not have.
 * @throws what `refusal` makes of an answer that no further try changes.
 */
export function readAnswer(reply: Reply, refusal: (got: string) => Error): Tried<Answer> {
  const tried = readJson(reply, Answer, refusal);
  if (!('answer' in tried)) return tried;
  const { finish_reason: reason } = tried.answer.choices[0];
  if (reason === 'stop' || reason === 'length') return tried;
  return { problem: `a completion that ended by ${JSON.stringify(reason ?? null)}` };
}

/** What a server tells of the tokens that it drew; null: nothing. */
export function drawnTokens({ token_ids: ownIds, logprobs }: Choice): Pick<Completion, 'tokenIds' | 'logps'> {
  const { token_logprobs: plain, content } = logprobs ?? {};
  const ids = ownIds ?? content?.map((token) => token.id);
  const tokenIds = ids?.every((token) => token !== undefined) ? ids : null;
  const given = plain ?? content?.map(({ logprob }) => logprob);
  return { tokenIds, logps: given?.every((logp) => logp !== null) ? given : null };
}

/** The text before the first stop string: some servers leave it at the end. */
function beforeStop(text: string, stopStrings: readonly string[]): string {
  const places = stopStrings.map((stop) => text.indexOf(stop)).filter((place) => place >= 0);
  return text.slice(0, Math.min(text.length, ...places));
}

/** @throws SipfError 'unsupported' where token ids and log-probabilities are not of the same tokens, or nothing tells how many there are. */
export function completionOf(
  id: string,
  { choices: [choice], usage }: Answer,
  stopStrings: readonly string[] = [],
): Completion {
  const { finish_reason: reason } = choice;
  const text = beforeStop(choice.text, stopStrings);
  const told = drawnTokens(choice);
  if (told.tokenIds !== null && told.logps !== null && told.tokenIds.length !== told.logps.length) {
    throw new SipfError(
      'unsupported',
      `Expected one log-probability for each token id of a completion, got ${told.tokenIds.length} and ${told.logps.length}. Use a server that tells both of the same tokens.`,
    );
  }
  const tokens = usage?.completion_tokens ?? told.tokenIds?.length ?? told.logps?.length;
  // llama.cpp leaves out tokens that are a part of a character: what it tells is then of other tokens than were drawn.
  const isWhole = (told.tokenIds ?? told.logps)?.length === tokens;
  const { tokenIds, logps } = isWhole ? told : { tokenIds: null, logps: null };
  if (tokens !== undefined)
    return { id, text, tokens, tokenIds, logps, finishReason: reason === 'length' ? reason : 'stop' };
  throw new SipfError(
    'unsupported',
    'Expected a completion with usage, token ids or log-probabilities, got none: its length is unknown. Use a server that tells one of them.',
  );
}
