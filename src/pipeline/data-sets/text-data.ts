// A row of TRL's SFT or unpaired data, as texts or chats -> a question and its graded answer.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { check } from '../../io/check.ts';

export interface TextData {
  readonly question: string;
  readonly completion: string;
  /** Every completion of SFT data is. */
  readonly right: boolean;
}

const Message = <R extends string>(role: R) => z.looseObject({ role: z.literal(role), content: z.string() });
/** One side: its text, or a chat of one message. */
const Said = (role: string) => z.union([z.string(), z.tuple([Message(role)]).transform(([{ content }]) => content)]);
const Sides = z.looseObject({ prompt: Said('user'), completion: Said('assistant') });
const Turns = z
  .looseObject({ messages: z.tuple([Message('user'), Message('assistant')]) })
  .transform(({ messages: [user, assistant] }) => ({ prompt: user.content, completion: assistant.content }));
const Labelled = Sides.extend({ label: z.boolean() });

/**
 * How a row of each form reads.
 * @throws SipfError 'bad-input' naming `place` and the field.
 */
export const TEXT_FORMS = {
  sft(value: Readonly<Record<string, unknown>>, place: string): TextData {
    return withText({ ...check('messages' in value ? Turns : Sides, value, place), label: true }, place);
  },
  unpaired(value: Readonly<Record<string, unknown>>, place: string): TextData {
    return withText(check(Labelled, value, place), place);
  },
};
export type TextFormName = keyof typeof TEXT_FORMS;

function withText({ prompt, completion, label }: z.infer<typeof Labelled>, place: string): TextData {
  const empty = prompt.trim() === '' ? 'prompt' : completion.trim() === '' ? 'completion' : null;
  if (empty === null) return { question: prompt.trim(), completion, right: label };
  throw new SipfError('bad-input', `${place}, field "${empty}": Expected a text, got none. Fix or delete that row.`);
}
