// The settings of the calculator -> which draws and which trainings of a run have it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import type { Backend, Policy } from '../backend.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { runLoop } from './run-loop.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-calculator-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Which stages drew with the calculator, and which objectives trained without loss on its results. */
async function seen(name: string, more: ConfigInput) {
  const drawn = new Set<string>();
  const quiet = new Set<string>();
  const scripted = createScriptedBackend({ write: writeSum, score: scoreSum });
  const watched = (policy: Policy): Policy => {
    const generate: Policy['generate'] = (requests, ...rest) => {
      // A key is seed/stage/...
      for (const { key, sampling } of requests) if (sampling.calculator) drawn.add(key.split('/')[1] ?? '');
      return policy.generate(requests, ...rest);
    };
    return new Proxy(policy, {
      get(target, property) {
        if (property === 'generate') return generate;
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const backend: Backend = {
    ...scripted,
    openPolicy: async (source) => watched(await scripted.openPolicy(source)),
    train: (job, ...rest) => {
      if (job.options.calculatorLoss === false) quiet.add(job.options.objective.kind);
      return scripted.train(job, ...rest);
    },
  };
  const config = parseConfig({
    model: { init: {} },
    task: { name: 'sums', limit: 12 },
    iterations: 1,
    labels: { K: 2, heldOut: 0.3, ...more.labels },
    sampling: { samples: 4, ...more.sampling },
    pairs: { eta: 0.01, chosenGate: 'none' },
    evaluate: { sets: [{ split: 'valid', limit: 6 }], ...more.evaluate },
    sft: more.sft ?? {},
  });
  await runLoop({ config, out: join(folder, name), backend, tasks: () => sumsTask });
  return { drawn: [...drawn].sort(), quiet: [...quiet].sort() };
}

const on = { calculator: true };

it.each<[string, ConfigInput, string[]]>([
  ['nothing', {}, []],
  ['sampling', { sampling: on }, ['sample']],
  ['labels', { labels: on }, ['rollout']],
  ['evaluate', { evaluate: on }, ['evaluate']],
])('%s: draws with the calculator where it is asked for', async (name, more, stages) => {
  expect((await seen(name, more)).drawn).toEqual(stages);
});

it('sft.calculatorLoss false holds for the warm-up and for alignment', async () => {
  expect((await seen('loud', {})).quiet).toEqual([]);
  expect((await seen('quiet', { sft: { calculatorLoss: false } })).quiet).toEqual(['orpo', 'sft']);
});
