// Texts and token ids of a request -> token ids as a model reads them, none too long to look at.
import type { Policy } from '../backend.ts';
import { ApiError } from '../http/api-error.ts';
import type { ServedPolicy } from './served-models.ts';

/** A text, or token ids. */
export type Prompt = string | readonly number[];

/** Characters, or ids, for each token of the context: a text that fits has far fewer, and a longer one is not worth tokenising. */
const MOST_PER_TOKEN = 16;

/** @throws ApiError 400 where a text or a list of ids is longer than any that fits into the model's context. */
export function checkSize(prompt: Prompt, { contextLength }: Pick<Policy, 'contextLength'>): void {
  const most = MOST_PER_TOKEN * contextLength;
  if (prompt.length <= most) return;
  const unit = typeof prompt === 'string' ? 'characters' : 'token ids';
  throw new ApiError(400, `Expected at most ${most} ${unit} in a text, got ${prompt.length}. Shorten it.`);
}

/** Where `special` is false, texts lack the ids that the tokenizer writes before the beginning. */
export interface PromptOptions {
  readonly special?: boolean | null | undefined;
}

/**
 * Token ids of each prompt: texts as the tokenizer reads their beginning, ids as given.
 * @throws ApiError 400 where one is too long to look at; SipfError 'bad-input' where an id is not the model's.
 */
export async function promptIds(
  prompts: readonly Prompt[],
  policy: ServedPolicy,
  { special }: PromptOptions = {},
): Promise<(readonly number[])[]> {
  for (const prompt of prompts) checkSize(prompt, policy);
  const all = await policy.encode(prompts.map((prompt) => [prompt]));
  if (special !== false) return all;
  const { leading } = await policy.vocabulary();
  return all.map((ids, p) => (typeof prompts[p] === 'string' ? ids.slice(leading.length) : ids));
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/**
 * Token ids of a conversation in the model's own template, ending where the assistant begins.
 * @throws ApiError 400 where a message is too long to look at; SipfError where the model has no template, or it refuses the messages.
 */
export async function chatIds(messages: readonly Message[], policy: ServedPolicy): Promise<readonly number[]> {
  for (const { content } of messages) checkSize(content, policy);
  const [ids = []] = await promptIds([await policy.chatPrompt(messages)], policy);
  return ids;
}
