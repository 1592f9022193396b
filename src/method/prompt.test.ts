// Questions, shots and a scripted chat template -> prompts.
import { expect, test } from 'vitest';
import { sumQuestion, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { loadShots } from '../pipeline/shots.ts';
import { makePrompter, PromptOptions } from './prompt.ts';

const backend = createScriptedBackend({ write: writeSum });
const questions = Array.from({ length: 30 }, (_, i) => sumQuestion('train', i));
const openPolicy = () => backend.openPolicy({ model: 'base' });
const build = (change: Partial<PromptOptions>, shots: Awaited<ReturnType<typeof loadShots>> = []) =>
  makePrompter({ task: sumsTask, options: PromptOptions.parse(change), shots, openPolicy });

test('builds plain, few-shot and chat prompts in one place', async () => {
  const shots = await loadShots({ task: sumsTask, count: 2, file: null, fallback: questions });
  const question = { question: '1+2+3' };
  expect((await build({}))(question)).toBe('Q: 1+2+3\nA:\n');
  expect((await build({ shots: 2 }, shots))(question)).toMatch(
    /^Q: .*The answer is \d+\n\nQ: .*\n\nQ: 1\+2\+3\nA:\n$/s,
  );
  const chat = (await build({ style: 'chat', system: 'Be right.', instruction: 'Do sums.' }, shots))(question);
  expect(chat).toMatch(
    /^<system>Be right\.<\/system>\n<user>Do sums\.\n\n.*<assistant>.*The answer is \d+<\/assistant>\n<user>Do sums\.\n\n1\+2\+3<\/user>\n<assistant>$/s,
  );
});

test('asks for as many shots as were wanted', async () => {
  await expect(loadShots({ task: sumsTask, count: 99, file: null, fallback: questions })).rejects.toMatchObject({
    code: 'bad-input',
  });
  await expect(
    loadShots({ task: sumsTask, count: 1, file: '/no/such/file', fallback: questions }),
  ).rejects.toMatchObject({ code: 'not-found' });
});
