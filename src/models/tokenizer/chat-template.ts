// A conversation and a tokenizer -> the prompt text in the model's own chat template.
import { Template } from '@huggingface/jinja';
import { messageOf, printable, SipfError } from '../../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

interface ChatPromptOptions {
  /** End where the assistant's answer begins; default true. */
  readonly addGenerationPrompt?: boolean;
  /** For messages: the model as the user named it. */
  readonly model?: string;
}

type ChatTokenizer = Pick<Tokenizer, 'chatTemplate' | 'token' | 'bosId' | 'eosIds' | 'leadingIds'>;

/**
 * The prompt of `messages`. A leading BOS text is left out where encode() adds BOS itself, so that it never stands twice.
 * @throws SipfError 'unsupported' where the model has no chat template, 'bad-input' where the template refuses the messages.
 */
export function renderChat(
  tokenizer: ChatTokenizer,
  messages: readonly ChatMessage[],
  options: ChatPromptOptions = {},
): string {
  const { addGenerationPrompt = true, model = 'this model' } = options;
  if (tokenizer.chatTemplate === null) {
    throw new SipfError(
      'unsupported',
      `Expected a chat template in ${model}, got none. Leave out prompt.style chat (--chat), or use an instruction-tuned model.`,
    );
  }
  const textOf = (id: number | null | undefined): string =>
    id === null || id === undefined ? '' : (tokenizer.token(id) ?? '');
  const bos = textOf(tokenizer.bosId);
  const text = render(tokenizer.chatTemplate, model, {
    messages: messages.map(({ role, content }) => ({ role, content })),
    add_generation_prompt: addGenerationPrompt,
    bos_token: bos,
    eos_token: textOf(tokenizer.eosIds[0]),
  });
  const addsBos = tokenizer.bosId !== null && tokenizer.leadingIds.includes(tokenizer.bosId);
  return addsBos && bos !== '' && text.startsWith(bos) ? text.slice(bos.length) : text;
}

function render(template: string, model: string, variables: Record<string, unknown>): string {
  let parsed: Template;
  try {
    parsed = new Template(template);
  } catch (thrown) {
    throw new SipfError(
      'unsupported',
      `Expected a chat template that can be read in ${model}, got: ${reasonOf(thrown)}. Leave out prompt.style chat (--chat).`,
      { cause: thrown },
    );
  }
  try {
    return parsed.render(variables);
  } catch (thrown) {
    throw new SipfError(
      'bad-input',
      `Expected messages that the chat template of ${model} accepts, got: ${reasonOf(thrown)}. Change the roles or their order.`,
      { cause: thrown },
    );
  }
}

/** The template engine's own words; where it failed without any, none of its own parts are named. */
function reasonOf(thrown: unknown): string {
  const unforeseen = thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof ReferenceError;
  return unforeseen ? 'a statement that it cannot make sense of' : printable(messageOf(thrown));
}
