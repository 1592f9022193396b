// A chat template -> a prompt, or an error that says what to do.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderChat } from './chat-template.ts';
import { loadTokenizer } from './tokenizer.ts';

const fixture = join(import.meta.dirname, '../../../test/fixtures/tokenizer');
const user = { role: 'user', content: 'Hi\n' } as const;

describe('renderChat', () => {
  it('renders the model own template, ending where the assistant begins', async () => {
    const tokenizer = await loadTokenizer(fixture);
    expect(renderChat(tokenizer, [user])).toBe('<s>user\nHi\n</s>\n<s>assistant\n');
    const past = renderChat(tokenizer, [user, { role: 'assistant', content: 'Yo' }], { addGenerationPrompt: false });
    expect(past).toBe('<s>user\nHi\n</s>\n<s>assistant\nYo</s>\n');
  });

  it('knows bos_token and eos_token, and leaves BOS to encode() where that adds it', () => {
    const names = ['<s>', '</s>'];
    const base = {
      chatTemplate: '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}',
      token: (id: number) => names[id],
      bosId: 0,
      eosIds: [1],
    };
    expect(renderChat({ ...base, leadingIds: [] }, [user])).toBe('<s>Hi\n</s>');
    expect(renderChat({ ...base, leadingIds: [0] }, [user])).toBe('Hi\n</s>');
    expect(renderChat({ ...base, bosId: null, eosIds: [], leadingIds: [] }, [user])).toBe('Hi\n');
  });

  it('refuses where there is no template, a broken one, or messages that it does not take', () => {
    const base = { token: () => undefined, bosId: null, eosIds: [], leadingIds: [] };
    expect(() => renderChat({ ...base, chatTemplate: null }, [user], { model: 'm.gguf' })).toThrow(
      'Expected a chat template in m.gguf, got none.',
    );
    expect(() => renderChat({ ...base, chatTemplate: '{% if %' }, [user])).toThrow(
      'Expected a chat template that can be read',
    );
    const strict = "{{ raise_exception('roles must alternate') }}";
    expect(() => renderChat({ ...base, chatTemplate: strict }, [user])).toThrow('roles must alternate');
  });
});
