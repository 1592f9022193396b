// Folders that are written here -> vLLM gives our numbers: an adapter, merged weights, step scores.
// Only with SIPF_TEST_VLLM: the program vllm (its build for CPUs is enough).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, ModelExport, Policy, StepPath, TrainExample, TrainOptions } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import type { Objective } from '../../src/objectives/objectives.ts';
import type { ModelSource } from '../../src/records.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli } from './run-cli.ts';

const vllm = process.env['SIPF_TEST_VLLM'] ?? '';
const PROMPT = 'Question: how many?\nAnswer:\n';

/** Heads of a size that its attention has. */
const SIZES = {
  hidden_size: 128,
  intermediate_size: 192,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 64,
  max_position_embeddings: 256,
  initializer_range: 0.2,
};
const FAMILIES: Readonly<Record<string, object>> = {
  llama: { tie_word_embeddings: true },
  qwen2: {},
  gemma3_text: {
    query_pre_attn_scalar: 64,
    sliding_window: 16,
    layer_types: ['sliding_attention', 'full_attention'],
    rope_local_base_freq: 10_000,
  },
};

const LORA = { rank: 8, alpha: 16, dropout: 0, targets: 'all-linear' as const };
const OPTIONS: Omit<TrainOptions, 'objective'> = {
  lora: LORA,
  ...{ learningRate: 1e-2, schedule: 'constant', warmup: 0, weightDecay: 0, clip: 1, betas: [0.9, 0.999], eps: 1e-8 },
  ...{ batchSize: 1, epochs: 1, maxSteps: 4, tokensPerPass: 128, activationsGiB: 8, maxLength: 128 },
  ...{ seed: 1, shuffle: true, checkpointEverySteps: 10 },
};

const STEPS = ['3*4=12 apples.\n', '12-2=10 are left.\n', 'The answer is 10\n'];
const SFT: TrainExample = { kind: 'sft', prompt: PROMPT, completion: STEPS };
const PRM: TrainExample = { kind: 'prm', prompt: PROMPT, steps: STEPS, targets: [1, 0, 1] };

/** As docs/export.md says: the output rows of the two tokens become one row, whose sigmoid is P(step is correct). */
const POOLING = (tag: number) => [
  ...['--runner', 'pooling', '--convert', 'classify'],
  '--hf-overrides',
  '{"method": "from_2_way_softmax", "classifier_from_token": ["<|bad|>", "<|good|>"]}',
  '--pooler-config',
  JSON.stringify({ task: 'token_classify', pooling_type: 'STEP', step_tag_id: tag }),
];

/** As docs/engines.md says: a score for each token. */
const SCORING = [...POOLING(0).slice(0, -1), JSON.stringify({ task: 'token_classify' })];

const PLAIN = ['--dtype', 'float32', '--enforce-eager', '--max-model-len', '128'];
const ENVIRONMENT = {
  ...{ VLLM_CPU_KVCACHE_SPACE: '1', VLLM_CPU_OMP_THREADS_BIND: 'nobind', OMP_NUM_THREADS: '1' },
  ...{ HF_HUB_OFFLINE: '1', VLLM_NO_USAGE_STATS: '1' },
};

describe.skipIf(vllm === '')('vLLM', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'sipf-vllm-'));
  let backend: Backend;
  beforeAll(() => {
    backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') });
  });
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  const make = async (model: string, family: string) => {
    const read = (name: string) => JSON.parse(readFileSync(join(fixtures, 'tokenizer', name), 'utf8')) as object;
    const config = { model_type: family, ...SIZES, ...FAMILIES[family] };
    const [tokenizer, tokenizerConfig] = [read('tokenizer.json'), read('tokenizer_config.json')];
    await backend.initModel(model, { config, tokenizer, tokenizerConfig, seed: 1 });
  };
  const trained = async (model: string, objective: Objective, example: TrainExample) => {
    const out = `${model}-${objective.kind}`;
    const job = { source: { model }, examples: [example], options: { ...OPTIONS, objective }, out };
    return (await backend.train(job, () => undefined)).source;
  };
  const exported = async (source: ModelSource, to: ModelExport['to'], base?: string) => {
    const out = `${source.adapter ?? source.model}-${to}`;
    await backend.exportModel(source, { to, out, dtype: 'f32', card: '', base });
    return out;
  };

  describe.each(Object.keys(FAMILIES))('%s', (family) => {
    const model = join(scratch, family);
    beforeAll(() => make(model, family));

    it('draws and reads as we do, with the adapter beside its base and merged', async () => {
      const source = await trained(model, { kind: 'sft', scope: 'completion' }, SFT);
      await using policy = await backend.openPolicy(source);
      const adapter = await exported(source, 'peft', model);
      const lora = ['--enable-lora', '--max-lora-rank', '8', '--lora-modules', `policy=${adapter}`];
      await expectSame(policy, await served(scratch, model, 'base', lora));
      await expectSame(policy, await served(scratch, await exported(source, 'merged'), 'policy', []));
    }, 900_000);

    it('scores steps as we do', async () => {
      const prm = await trained(model, { kind: 'prm', headBias: false }, PRM);
      await using scorer = await backend.openPrm(prm);
      const folder = await exported(prm, 'prm-lm');
      const { step_tag_id: tag } = JSON.parse(readFileSync(join(folder, 'step_scores.json'), 'utf8')) as {
        step_tag_id: number;
      };
      const paths: StepPath[] = [
        { prompt: PROMPT, steps: STEPS },
        { prompt: 'Two.\n', steps: STEPS.slice(1) },
      ];
      await using server = await served(scratch, folder, 'prm', POOLING(tag));
      const input = paths.map(({ prompt, steps }) => prompt + steps.join('').replaceAll('\n', '<|step|>'));
      const { data } = await server.ask<{ data: { data: [number][] }[] }>('/pooling', { model: 'prm', input });
      const ours = await scorer.score(paths);
      expect(data.map((one) => one.data.length)).toEqual(ours.map((scores) => scores.length));
      const theirs = data.flatMap((one) => one.data.flat());
      for (const [i, score] of ours.flat().entries()) expect(Math.abs(score - (theirs[i] ?? -1))).toBeLessThan(1e-4);
    }, 900_000);
  });

  it.each([
    ['each token', SCORING],
    ['two tokens of a causal LM', []],
  ])(
    'is started by sipf score, scores steps as sipf does, and ends: %s',
    async (_name, words) => {
      buildCli();
      const model = join(scratch, `started-${words.length}`);
      await make(model, 'llama');
      const { adapter = '' } = await trained(model, { kind: 'prm', headBias: false }, PRM);
      const rows = [STEPS, STEPS.slice(1), STEPS.slice(2)].map((steps, id) =>
        JSON.stringify({ id: String(id), question: 'How many?', steps: steps.map((step) => step.trimEnd()) }),
      );
      const paths = join(scratch, 'paths.jsonl');
      writeFileSync(paths, `${rows.join('\n')}\n`);
      const launch = [vllm, 'serve', '{model}', '--port', '{port}', ...PLAIN, ...words];
      const score = async (...more: readonly string[]) => {
        const args = ['score', '--prm', adapter, '--in', paths, '--json', ...more];
        const { stdout, stderr } = await runCli(args, { env: ENVIRONMENT });
        const scored = stdout.trimEnd().split('\n');
        return { stderr, scores: scored.flatMap((line) => (JSON.parse(line) as { scores: number[] }).scores) };
      };
      const there = await score('--engine.scorer', JSON.stringify({ kind: 'openai', launch }));
      const here = await score();
      expect(there.scores).toHaveLength(6);
      for (const [i, found] of there.scores.entries()) expect(Math.abs(found - here.scores[i]!)).toBeLessThan(1e-4);
      const [, port] = /--port (\d+)/.exec(there.stderr) ?? [];
      await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
    },
    900_000,
  );
});

interface Server extends AsyncDisposable {
  ask<Answer>(path: string, body: object): Promise<Answer>;
}

interface Choice {
  readonly token_ids: readonly number[];
  readonly logprobs: { readonly token_logprobs: readonly (number | null)[] };
}

/** Greedy tokens, and log-probabilities of the prompt and of what follows. */
async function expectSame(policy: Policy, opened: Server): Promise<void> {
  await using server = opened;
  const sampling = { temperature: 0, maxTokens: 12 };
  const drawn: (readonly number[])[] = [];
  await policy.generate([{ id: 'a', context: [PROMPT], key: 'a', sampling }], ([completion]) => {
    drawn.push(completion?.tokenIds ?? []);
    return [];
  });
  const [prompt = []] = await policy.encode([[PROMPT]]);
  const body = { model: 'policy', prompt, max_tokens: 12, temperature: 0, logprobs: 1, echo: true };
  const { choices } = await server.ask<{ choices: [Choice] }>('/v1/completions', { ...body, return_token_ids: true });
  const [{ token_ids: tokens, logprobs }] = choices;
  expect(tokens).toEqual(drawn[0]);
  const ids = [...prompt, ...tokens];
  const [ours = []] = await policy.logps([{ context: [ids.slice(0, 1)], completion: ids.slice(1) }]);
  const theirs = logprobs.token_logprobs.slice(1);
  expect(theirs).toHaveLength(ours.length);
  for (const [i, logp] of ours.entries()) expect(Math.abs(Number(logp) - Number(theirs[i]))).toBeLessThan(1e-4);
}

/** A server of `folder`, once it answers. */
async function served(scratch: string, folder: string, name: string, more: readonly string[]): Promise<Server> {
  const log = join(scratch, 'vllm.log');
  const output = openSync(log, 'w');
  const port = await freePort();
  const own = ['--served-model-name', name, '--port', String(port), ...PLAIN];
  const child = spawn(vllm, ['serve', folder, ...own, ...more], {
    env: { ...process.env, ...ENVIRONMENT },
    stdio: ['ignore', output, output],
    detached: true,
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).catch(() => null))?.ok) {
    if (child.exitCode !== null) throw new Error(`vLLM ended:\n${readFileSync(log, 'utf8').slice(-4000)}`);
    await setTimeout(500);
  }
  return {
    async ask<Answer>(path: string, body: object) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      expect(response.status).toBe(200);
      return (await response.json()) as Answer;
    },
    [Symbol.asyncDispose]: () => ended(child),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  process.kill(-child.pid, 'SIGTERM');
  await once(child, 'exit');
}
