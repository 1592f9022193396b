// Chat templates and tokenizers that write BOS, or do not -> exactly one where any does, everywhere.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { makePrompter, PromptOptions } from '../../src/method/prompt.ts';
import { serve } from '../../src/server/serve.ts';
import { makeModelFolder } from '../model-folder.ts';
import { sumsTask } from '../scripted-sums.ts';
import { ask } from '../serve-scripted.ts';
import { buildCli, runCli } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'sipf-chat-'));
const cache = join(root, 'cache');
beforeAll(buildCli);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const BOS = 1;
const TURNS = '{% for message in messages %}[{{ message.role }}] {{ message.content }} {% endfor %}[assistant]';

interface Answer {
  readonly prompt_token_ids: readonly number[];
  readonly choices: readonly [{ readonly token_ids: readonly number[] }];
}

describe.each([
  ['template and tokenizer', '{{ bos_token }}', true, 1],
  ['template alone', '{{ bos_token }}', false, 1],
  ['tokenizer alone', '', true, 1],
  ['neither', '', false, 0],
])('BOS by %s', (_by, beginning, addBos, count) => {
  it('reaches the model so often in a chat of the server, of generate and of a run', async () => {
    const model = await makeModelFolder(root, {
      files: {
        'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>', add_bos_token: addBos },
        'chat_template.jinja': beginning + TURNS,
      },
    });
    await using backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache });
    await using server = await serve(backend, { model, port: 0 });
    const chat = {
      messages: [{ role: 'user', content: 'one plus one' }],
      max_tokens: 6,
      seed: 3,
      return_token_ids: true,
    };
    const { json } = await ask(`${server.url}/v1/chat/completions`, chat);
    const { prompt_token_ids: ids, choices } = json as unknown as Answer;
    expect(ids.filter((id) => id === BOS)).toHaveLength(count);
    expect(ids[0] === BOS).toBe(count === 1);
    const words = [
      '--chat',
      '--prompt',
      'one plus one',
      '--max-tokens',
      '6',
      '--seed',
      '3',
      '--threads',
      '1',
      '--json',
    ];
    const { stdout } = await runCli(['generate', '--model', model, ...words], { env: { SIPF_CACHE: cache } });
    const { completions } = JSON.parse(stdout) as { completions: [{ tokenIds: number[] }] };
    expect(completions[0].tokenIds).toEqual(choices[0].token_ids);
    const options = PromptOptions.parse({ style: 'chat' });
    const openPolicy = () => backend.openPolicy({ model });
    const prompt = await makePrompter({ task: sumsTask, options, shots: [], openPolicy });
    await using policy = await openPolicy();
    const [read = []] = await policy.encode([[prompt({ question: '1 + 1' })]]);
    expect(read.filter((id) => id === BOS)).toHaveLength(count);
  });
});
