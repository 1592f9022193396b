// Runs that a server draws -> the artefacts of a run that draws by itself, also after kill -9.
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, GenerateRequest, Policy } from '../../src/backend.ts';
import { composeBackends } from '../../src/backends/compose.ts';
import { createScriptedBackend, type ScriptedOptions } from '../../src/backends/scripted.ts';
import { parseConfig } from '../../src/config/load.ts';
import { runLoop } from '../../src/pipeline/run-loop.ts';
import { hash32 } from '../../src/random.ts';
import { openSampler } from '../../src/samplers/samplers.ts';
import { serve } from '../../src/server/serve.ts';
import { openCompletionServer } from '../completion-server.ts';
import { scoreSum, sumsTask, writeSum } from '../scripted-sums.ts';
import { buildCli, runCli, SCRIPTED, startCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-remote-run-'));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sums of a prompt and what follows it in one text: a server hears of no other boundary. */
const sums: ScriptedOptions['write'] = (args) => {
  const text = args.prompt + args.prefix;
  const question = text.lastIndexOf('Q: ');
  return writeSum({ ...args, prompt: text, prefix: text.slice(text.indexOf('\n', question) + 1) });
};

const scripted = () => createScriptedBackend({ write: sums, score: scoreSum });

/** Draws by itself, with the random numbers that sipf serve has for the seeds of a run. */
function alone(): Backend {
  const backend = scripted();
  const seeded = (one: GenerateRequest) => ({ ...one, key: `generate/${hash32(one.key) >>> 1}/0` });
  return {
    ...backend,
    async openPolicy(source) {
      const policy = await backend.openPolicy(source);
      const plain = policy.generate.bind(policy);
      const generate: Policy['generate'] = (requests, onFinished, options) =>
        plain(requests.map(seeded), async (done) => (await onFinished(done)).map(seeded), options);
      return Object.assign(policy, { generate });
    },
  };
}

function artefacts(dir: string): Record<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map(({ parentPath, name }) => join(parentPath, name));
  const kept = files.filter((path) => !/events\.jsonl$/.test(path));
  return Object.fromEntries(kept.map((path) => [path.slice(dir.length), readFileSync(path, 'utf8')]));
}

it('sipf serve draws every round from its adapter, and the trainer here makes the same files', async () => {
  const config = parseConfig({
    model: 'base',
    task: { name: 'sums', limit: 8 },
    iterations: 2,
    sft: { train: { lora: {} } },
    sampling: { samples: 4, unit: 4 },
    labels: { K: 2, heldOut: 0.3, unit: 4, lookahead: 1 },
    pairs: { eta: 0.01, chosenGate: 'none' },
    align: { train: { lora: {} } },
    evaluate: { sets: [{ split: 'valid', limit: 6 }], final: [], control: 'none', unit: 4, logpPairs: 4 },
  });
  const tasks = () => sumsTask;
  await using own = alone();
  await runLoop({ config, out: join(folder, 'alone'), backend: own, tasks });

  const there = scripted();
  const opened: string[] = [];
  const counting: Backend = {
    ...there,
    openPolicy(source) {
      opened.push(source.adapter ?? source.model);
      return there.openPolicy(source);
    },
  };
  await using server = await serve(counting, { model: 'base', port: 0, adapterRoot: folder });
  const local = scripted();
  const draws: string[] = [];
  const here: Backend = {
    ...local,
    async openPolicy(source) {
      const policy = await local.openPolicy(source);
      const plain = policy.generate.bind(policy);
      const generate: Policy['generate'] = (...args) => {
        draws.push(source.model);
        return plain(...args);
      };
      return Object.assign(policy, { generate });
    },
  };
  const url = `${server.url}/v1`;
  const sampler = openSampler(
    { kind: 'openai', url, model: 'base', serves: { model: 'base' }, others: 'adapter', retries: 2 },
    { local: here, log: () => {}, env: {}, random: () => 0.5, wait: () => new Promise(() => {}), now: () => 0 },
  );
  await using backend = composeBackends({ sampler, scorer: here, trainer: here, store: here });
  const out = join(folder, 'served');
  await runLoop({ config, out, backend, tasks });
  expect(artefacts(out)).toEqual(artefacts(join(folder, 'alone')));
  const policies = [0, 1, 2].map((k) => join(out, `iteration-${k}`, '6-policy'));
  expect([...new Set(opened)]).toEqual(['base', ...policies]);
  expect(draws).toEqual([]);
  const { data } = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(['base']);
});

describe('kill -9 of the driver', () => {
  it('draws nothing again that is stored', async () => {
    const policy = await scripted().openPolicy({ model: 'base' });
    let reached = () => {};
    const many = new Promise<void>((resolve) => (reached = resolve));
    const faultOf = (n: number) => {
      if (n === 150) reached();
      return null;
    };
    await using server = await openCompletionServer({ policy, faultOf, delay: 3 });
    const out = join(folder, 'killed');
    const sampler = { kind: 'openai', url: server.url, model: 'm', others: 'local', concurrency: 8 };
    const run = [
      ...['run', '--preset', 'smoke', '--model', 'base', '--out', out, '--iterations', '1'],
      ...['--sft.enabled', 'false', '--sampling.unit', '4', '--sampling.samples', '4', '--labels.unit', '4'],
      ...['--engine.sampler', JSON.stringify(sampler)],
    ];
    const child = startCli(run, { engine: SCRIPTED, cwd: folder });
    await many;
    child.kill('SIGKILL');
    await once(child, 'close');
    const keyOf = ({ seed, prompt }: { seed: number; prompt: string | number[] }) => `${seed} ${prompt}`;
    const first = server.asked.map(keyOf);
    const resumed = await runCli(['run', '--out', out], { engine: SCRIPTED, cwd: folder });
    expect(resumed.stderr).not.toMatch(/^sipf:/m);
    const second = server.asked.slice(first.length).map(keyOf);
    const again = second.filter((key) => first.includes(key));
    // Of the unit that was not whole, which was drawn last: all that came before is stored.
    expect(first.length).toBeGreaterThanOrEqual(150);
    expect(new Set(again)).toEqual(new Set(first.slice(first.length - again.length)));
    expect(again.length).toBeLessThan(first.length / 2);
    expect(second.length).toBeGreaterThan(again.length);
    expect(new Set(second).size).toBe(second.length);
  });
});
