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
  choices: z.tuple([Choice], Choice),
  usage: z.object({ prompt_tokens: Count, completion_tokens: Count }).nullish(),
});
export type Answer = z.infer<typeof Answer>;

/**
 * `count` whole completions, or a problem that another try may not have.
 * @throws what `refusal` makes of an answer that no further try changes.
 */
export function readAnswer(reply: Reply, refusal: (got: string) => Error, count = 1): Tried<Answer> {
  const tried = readJson(reply, Answer, refusal);
  if (!('answer' in tried)) return tried;
  const { choices } = tried.answer;
  if (choices.length !== count) throw refusal(`${choices.length} completions for n ${count}: ${reply.said}`);
  for (const { finish_reason: reason } of choices)
    if (reason !== 'stop' && reason !== 'length')
      return { problem: `a completion that ended by ${JSON.stringify(reason ?? null)}` };
  return tried;
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

/**
 * A completion for each of the choices, named by `ids`.
 * @throws SipfError 'unsupported' where token ids and log-probabilities are not of the same tokens, or nothing tells how many each has.
 */
export function completionsOf(
  ids: readonly string[],
  { choices, usage }: Answer,
  stopStrings: readonly string[] = [],
): Completion[] {
  const isOne = choices.length === 1;
  const counted = isOne ? usage?.completion_tokens : undefined;
  const completions = choices.map((choice, n) => completionOf(ids[n] ?? '', choice, counted, stopStrings));
  const total = completions.reduce((sum, { tokens }) => sum + tokens, 0);
  if (isOne || usage == null || usage.completion_tokens === total) return completions;
  throw new SipfError(
    'unsupported',
    `Expected a server that tells of all tokens of its ${choices.length} completions, got ${total} of ${usage.completion_tokens}. Set engine.sampler.perRequest 1.`,
  );
}

/** `counted`: its tokens, as the server counts them. */
function completionOf(
  id: string,
  choice: Choice,
  counted: number | undefined,
  stopStrings: readonly string[],
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
  const tokens = counted ?? told.tokenIds?.length ?? told.logps?.length;
  // llama.cpp leaves out tokens that are a part of a character: what it tells is then of other tokens than were drawn.
  const isWhole = (told.tokenIds ?? told.logps)?.length === tokens;
  const { tokenIds, logps } = isWhole ? told : { tokenIds: null, logps: null };
  if (tokens !== undefined)
    return { id, text, tokens, tokenIds, logps, finishReason: reason === 'length' ? reason : 'stop' };
  throw new SipfError(
    'unsupported',
    'Expected a completion with usage, token ids or log-probabilities, got none: its length is unknown. Use a server that tells one of them; usage is of one completion where engine.sampler.perRequest is 1.',
  );
}
