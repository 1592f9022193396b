// Completions with the ends of their tokens -> kept tokens that join to the text.
import { expect, it } from 'vitest';
import type { Completion } from '../backend.ts';
import { createRandom } from '../random.ts';
import { mathFormat } from '../tasks/math/math-task.ts';
import { drawnTokens, leastLogps, tokensOf } from './drawn-tokens.ts';

/** One text a token; `logps` by token. */
function completionOf(texts: readonly string[], logps: readonly (number | null)[]): Completion {
  let end = 0;
  const ends = texts.map((text) => (end += text.length));
  return { id: '', text: texts.join(''), tokens: texts.length, tokenIds: null, logps, ends, finishReason: 'stop' };
}

it('keeps lengths alone where the steps say the text, joined by line feeds or by nothing', () => {
  const lines = completionOf(['1+1', '=2', '\n', 'The answer', ' is 2', ''], [-0.1234, -0.00001, -1, -2, null, -3]);
  const kept = drawnTokens(lines, ['1+1=2\nThe answer is 2']);
  expect(kept).toEqual({ lengths: [3, 2, 1, 10, 5, 0], logps: [-0.123, 0, -1, -2, null, -3] });
  expect(Object.is(kept.logps[1], 0)).toBe(true);
  const code = completionOf(['def f():\n', '  return 1\n'], [-1, -2]);
  expect(drawnTokens(code, ['def f():\n', '  return 1\n'])).toEqual({ lengths: [9, 11], logps: [-1, -2] });
  expect(drawnTokens(completionOf(['a\n', '\nb'], [-1, -2]), ['a', 'b']).text).toBe('a\n\nb');
});

it('gives each step the least of its own tokens, its line feed included', () => {
  const { text, ...completion } = completionOf(
    [' 1+1', '=2', '\n', ' ', '\n', '2+2=', '4', '\nThe answer is 4', ''],
    [-0.5, -0.25, -3, -0.125, -0.125, -4, null, -0.5, -2],
  );
  const steps = mathFormat.split(text);
  expect(steps).toEqual(['1+1=2', '2+2=4\nThe answer is 4']);
  const sample = { steps, drawn: drawnTokens({ text, ...completion }, steps) };
  expect(leastLogps(sample)).toEqual([-3, -4]);
  expect(tokensOf(sample)?.[6]).toEqual({ text: '4', logp: null });
});

it('says nothing of a step whose tokens a calculator wrote, and of a path that kept none', () => {
  const steps = ['a', 'b'];
  const drawn = drawnTokens(completionOf(['a\n', 'b'], [-1, null]), steps);
  expect(leastLogps({ steps, drawn })).toEqual([-1, null]);
  expect(tokensOf({ steps })).toBeNull();
  expect(leastLogps({ steps })).toBeNull();
});

it('joins to any text, and gives every drawn token to one step', () => {
  const random = createRandom('drawn-tokens');
  const pieces = ['1+1=2', ' ', '\n', '\n\n', '  The answer is 2', 'é', '🙂', '', '\u2028', '\t'];
  for (let n = 0; n < 300; n += 1) {
    const texts = Array.from({ length: random.int(1, 12) }, () => random.pick(pieces));
    const logps = texts.map(() => (random.next() < 0.2 ? null : -random.int(0, 5000) / 1000));
    const completion = completionOf(texts, logps);
    const steps = mathFormat.split(completion.text);
    const sample = { steps, drawn: drawnTokens(completion, steps) };
    expect(tokensOf(sample)?.map(({ text }) => text)).toEqual(texts);
    const own = logps.filter((logp) => logp !== null);
    const least = (leastLogps(sample) ?? []).filter((logp) => logp !== null);
    expect(Math.min(0, ...least)).toBeCloseTo(Math.min(0, ...own), 3);
  }
});

it('is refused where the engine does not tell the tokens', () => {
  const { ends: _ends, ...without } = completionOf(['a'], [-1]);
  expect(() => drawnTokens(without, ['a'])).toThrow(/sampling\.keepLogps true, got one that does not/);
  expect(() => drawnTokens({ ...completionOf(['a'], [-1]), logps: null }, ['a'])).toThrow(/sampling\.keepLogps/);
});
