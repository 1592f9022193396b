// A second kind of sampler -> settings, contract and errors follow from its one object and one name.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Completion } from '../../src/backend.ts';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { settingsOf } from '../../src/described.ts';
import { openai } from '../../src/samplers/openai.ts';
import { defineSampler, type SamplerParts, SERVING } from '../../src/samplers/sampler.ts';
import { samplersOf } from '../../src/samplers/samplers.ts';
import { servingSampler } from '../../src/samplers/serving-sampler.ts';
import { samplerContract } from './backend-suite.ts';

const letters = createScriptedBackend({
  write: ({ random }) => Array.from({ length: 20 }, (_, i) => 'ab'.charAt(i % 2) + random.int(0, 9)).join(''),
});
const source = { model: 'base' };
const parts: SamplerParts = {
  local: letters,
  log: () => {},
  env: {},
  random: () => 0.5,
  wait: async () => undefined,
  now: () => 0,
};

/** Draws from a scripted model of another name, one request at a time. */
const echo = defineSampler({
  settings: z.strictObject({
    kind: z.literal('echo').describe('A scripted model.'),
    name: z.string().describe('Its name.'),
    ...SERVING,
  }),
  open: ({ name }) => [
    {
      name,
      table: async () => [],
      release: async () => undefined,
      open: async () => ({
        contextLength: 4096,
        logps: null,
        async draw(request) {
          await using policy = await letters.openPolicy({ model: name });
          const drawn: Completion[] = [];
          const { promptTokens } = await policy.generate([request], (finished) => {
            drawn.push(...finished);
            return [];
          });
          const [completion] = drawn;
          if (completion === undefined) throw new Error('Nothing was drawn');
          return { answer: { completion, promptTokens } };
        },
        [Symbol.asyncDispose]: async () => undefined,
      }),
      [Symbol.asyncDispose]: async () => undefined,
    },
  ],
});

const SAMPLERS = samplersOf(openai, echo);

samplerContract('a kind that is no product', async () => ({
  sampler: servingSampler([SAMPLERS.open({ kind: 'echo', name: 'there', serves: source }, parts)], parts),
  source,
}));

describe('the settings of two kinds', () => {
  const Engine = z.strictObject({ sampler: SAMPLERS.settings.nullable().default(null) });

  it('are a union by kind, in types too', () => {
    const { sampler } = Engine.parse({ sampler: { kind: 'echo', name: 'there' } });
    const name: string | undefined = sampler?.kind === 'echo' ? sampler.name : String(sampler?.url);
    expect({ name, sampler }).toEqual({
      name: 'there',
      sampler: {
        kind: 'echo',
        name: 'there',
        serves: 'model',
        others: 'refuse',
        logps: 'server',
        concurrency: 32,
        retries: 6,
      },
    });
    expect(() => Engine.parse({ sampler: { kind: 'echo', name: 'there', url: 'http://a/v1' } })).toThrow(/url/);
  });

  it('have words of their own, and those that they share once', () => {
    const all = settingsOf(Engine);
    const at = (key: string) => all.find((setting) => setting.key === `sampler${key}`);
    expect(at('')).toMatchObject({ hasKinds: true, isSection: true, takes: 'object, or null' });
    expect(at('.kind')).toMatchObject({ takes: 'openai, echo', words: expect.stringMatching(/openai: .*echo: A scr/) });
    expect(at('.name')?.words).toBe('echo: Its name.');
    expect(at('.serves')?.words).toMatch(/^Which model/);
  });
});

it('an unknown kind is refused with those that are known', () => {
  const given = { kind: 'tgi', serves: source } as never;
  expect(() => SAMPLERS.open(given, parts)).toThrow('Expected a kind of sampler (openai, echo), got "tgi".');
  const wrong = { kind: 'echo', serves: source, name: 5 } as never;
  expect(() => SAMPLERS.open(wrong, parts)).toThrow(/sampler, got name: .*expected string/);
});
