// Configurations that cannot work -> refused before anything is computed or written.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import type { Backend } from '../backend.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { nodeDisk } from '../io/files.ts';
import { takeLock } from '../run/lock.ts';
import type { Task } from '../task.ts';
import { runLoop } from './run-loop.ts';
import { startRun } from './start.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-start-test-'));
  mkdirSync(join(folder, 'data'));
  for (const name of ['train', 'valid', 'test'])
    writeFileSync(
      join(folder, 'data', `${name}.jsonl`),
      Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ question: `${name} ${i}+1?`, answer: i + 1 })}\n`).join(
        '',
      ),
    );
  mkdirSync(join(folder, 'other'));
  writeFileSync(join(folder, 'other', 'scripted.json'), '{"hash":"x","skill":1}');
  writeFileSync(join(folder, 'broken.jsonl'), '{"question":"1+1?","answer":2}\n{"question":\n');
  writeFileSync(join(folder, 'one-shot.jsonl'), '{"question":"1+1?","steps":["1+1=2"]}\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let computed = 0;
const onWork = () => {
  computed += 1;
};
const scripted = createScriptedBackend({ write: writeSum, score: scoreSum, onWork });
const missing = (what: string) =>
  Promise.reject(new SipfError('not-found', `Expected a model at ${what}, got nothing. Check the path.`));
/** Folders called `missing` are no models; adapters called `other` fit none; `bare` has no chat template; `tiny` holds 60 characters; `silent`
 * tells no hidden states. */
const backend: Backend = {
  ...scripted,
  describe: (source) => (source.model.includes('missing') ? missing(source.model) : scripted.describe(source)),
  openPolicy: async (source) => {
    if (source.adapter?.includes('other') === true)
      throw new SipfError('bad-input', 'Expected an adapter of this model, got one of another. Give its own.');
    const policy = await scripted.openPolicy(source);
    if (source.model === 'bare')
      policy.chatPrompt = () => Promise.reject(new SipfError('unsupported', 'Expected a chat template, got none.'));
    if (source.model === 'silent') Object.assign(policy, { layers: undefined, stepStates: undefined });
    return source.model === 'tiny' ? Object.assign(policy, { contextLength: 60 }) : policy;
  },
};
const blind: Task = { ...sumsTask };
delete blind.trueSteps;
const programs: Task = { ...sumsTask, gradedBy: 'tests' };
delete programs.answerLine;
const without: Task = { ...sumsTask };
delete without.tokenizer;

const sums: ConfigInput = {
  model: 'base',
  task: { name: 'sums', limit: 30 },
  evaluate: { sets: [{ split: 'valid', limit: 10 }], final: [{ split: 'test', limit: 10 }] },
};
const own = (change: ConfigInput = {}): ConfigInput => ({
  model: 'base',
  task: { name: 'jsonl', data: join(folder, 'data') },
  sft: { enabled: false },
  ...change,
});

interface Refusal {
  readonly config: ConfigInput;
  readonly task?: Task;
  readonly code: string;
  readonly says: RegExp;
}

const refusals: Record<string, () => Refusal> = {
  'no model': () => ({ config: { ...sums, model: '' }, code: 'bad-config', says: /Give --model/ }),
  'a model that is not there': () => ({ config: { ...sums, model: 'missing' }, code: 'not-found', says: /missing/ }),
  'layers for LoRA that the model has not': () => ({
    config: { ...sums, align: { train: { lora: { targets: ['q_proj', 'fc1'] } } } },
    code: 'bad-config',
    says: /\(q_proj, .*, lm_head\) in align\.train\.lora\.targets, got "fc1"/,
  }),
  'a warm-up of all weights on a quantised base': () => ({
    config: { ...sums, engine: { quantisation: 'nf4' } },
    code: 'bad-config',
    says: /LoRA in sft\.train\.lora for engine\.quantisation nf4, got null/,
  }),
  'a warm-up of all weights on a base that the trainer quantises': () => ({
    config: { ...sums, engine: { trainer: { kind: 'torch', quantisation: 'nf4' } } },
    code: 'bad-config',
    says: /LoRA in sft\.train\.lora for engine\.trainer\.quantisation nf4, got null/,
  }),
  'an alignment of all weights on a quantised base': () => ({
    config: { ...sums, method: 'siof', engine: { quantisation: 'int8' }, sft: { train: { lora: {} } } },
    code: 'bad-config',
    says: /LoRA in align\.train\.lora for engine\.quantisation int8/,
  }),
  'a warm-up of all weights where a server loads adapters': () => ({
    config: { ...sums, engine: { sampler: { kind: 'openai', url: 'http://a/v1', model: 'm', others: 'adapter' } } },
    code: 'bad-config',
    says: /LoRA in sft\.train\.lora for engine\.sampler\.others adapter, got null/,
  }),
  'a server of one process reward model': () => ({
    config: { ...sums, engine: { scorer: { kind: 'openai', url: 'http://a/v1', serves: 'prm' } } },
    code: 'bad-config',
    says: /engine\.scorer\.launch, got the server http:\/\/a\/v1, which has one/,
  }),
  'a server that reads no bias': () => ({
    config: { ...sums, engine: { scorer: { kind: 'openai', launch: ['vllm', 'serve', '{model}'] } } },
    code: 'bad-config',
    says: /prm\.headBias false for \{model\} in engine\.scorer\.launch, got true/,
  }),
  'an adapter that does not fit': () => ({
    config: { ...sums, adapter: join(folder, 'other') },
    code: 'bad-input',
    says: /adapter of this model/,
  }),
  'two sets whose answers have one name': () => ({
    config: {
      ...sums,
      evaluate: {
        final: [
          { split: 'test', limit: 2 },
          { split: 'test', data: 'other.jsonl' },
        ],
      },
    },
    code: 'bad-config',
    says: /different tasks or splits in evaluate\.final, got sums\/test twice/,
  }),
  'a simulator that is not there': () => ({
    config: { ...sums, simulator: 'missing-simulator' },
    code: 'not-found',
    says: /missing-simulator/,
  }),
  'a verifier that is not there': () => ({
    config: { ...sums, verifier: { model: 'missing-verifier' } },
    code: 'not-found',
    says: /missing-verifier/,
  }),
  'a probe of an engine that tells no hidden states': () => ({
    config: { ...sums, model: 'silent', score: { scorer: 'probe' } },
    code: 'unsupported',
    says: /engine that tells hidden states for the scorer probe/,
  }),
  'layers for a probe that the verifier has not': () => ({
    config: { ...sums, verifier: 'larger', score: { scorer: 'probe' }, probe: { layers: [2, 9] } },
    code: 'bad-config',
    says: /from 1 to 4 in probe\.layers/,
  }),
  'a probe without questions to train on': () => ({
    config: { ...sums, score: { scorer: 'probe' }, labels: { heldOut: 0.5 } },
    code: 'nothing-left',
    says: /labels train the probe.*\(probe: twice that share\)/,
  }),
  'a simulator without room for any prompt': () => ({
    config: { ...sums, simulator: 'tiny', prompt: { shots: 4 } },
    code: 'bad-input',
    says: /fewer than 60 tokens/,
  }),
  'a model without room for a prompt': () => ({
    config: { ...sums, model: 'tiny', prompt: { shots: 2 } },
    code: 'bad-input',
    says: /fewer than 60 tokens .* question /,
  }),
  'a task without a tokenizer for a model from nothing': () => ({
    config: { ...sums, model: { init: {} } },
    task: without,
    code: 'unsupported',
    says: /its own tokenizer for model\.init/,
  }),
  'a chat without a template': () => ({
    config: { ...sums, model: 'bare', prompt: { style: 'chat' } },
    code: 'unsupported',
    says: /chat template/,
  }),
  'more worked examples than there are': () => ({
    config: { ...sums, prompt: { shots: 31 } },
    code: 'bad-input',
    says: /Expected 31 worked examples/,
  }),
  'a shots file that is not there': () => ({
    config: { ...sums, prompt: { shots: 1, shotsFile: join(folder, 'no.jsonl') } },
    code: 'not-found',
    says: /no\.jsonl/,
  }),
  'a shots file with too few': () => ({
    config: { ...sums, prompt: { shots: 2, shotsFile: join(folder, 'one-shot.jsonl') } },
    code: 'bad-input',
    says: /Expected 2 worked examples/,
  }),
  'a scorer that needs the truth, of a task that does not know it': () => ({
    config: { ...sums, score: { scorer: 'oracle' } },
    task: blind,
    code: 'unsupported',
    says: /score\.scorer oracle, got sums/,
  }),
  'exact checks of a task without equations': () => ({
    config: { ...sums, labels: { exactChecks: true } },
    task: programs,
    code: 'unsupported',
    says: /labels\.exactChecks true, got sums, whose answers are programs/,
  }),
  'a calculator for programs': () => ({
    config: { ...sums, sampling: { calculator: true } },
    task: programs,
    code: 'unsupported',
    says: /sampling\.calculator true, got sums, whose answers are programs/,
  }),
  'a calculator in rollouts of programs': () => ({
    config: { ...sums, labels: { calculator: true } },
    task: programs,
    code: 'unsupported',
    says: /labels\.calculator true, got sums/,
  }),
  'a loss that minds a calculator in programs': () => ({
    config: { ...sums, sft: { calculatorLoss: false } },
    task: programs,
    code: 'unsupported',
    says: /sft\.calculatorLoss false, got sums/,
  }),
  'a gate that checks equations, of a task without any': () => ({
    config: { ...sums, method: 'online-rft', pairs: { chosenGate: 'exact' } },
    task: programs,
    code: 'unsupported',
    says: /pairs\.chosenGate exact, got sums/,
  }),
  'labels by the likelihood of an answer that is no text': () => ({
    config: { ...sums, labels: { mode: 'gold-likelihood' } },
    task: programs,
    code: 'unsupported',
    says: /labels\.mode gold-likelihood, got sums/,
  }),
  'labels that all are held out': () => ({
    config: { ...sums, labels: { heldOut: 1 } },
    code: 'nothing-left',
    says: /labels\.heldOut 1 keeps all 30 of the first round/,
  }),
  'labels that all are held out or for calibration': () => ({
    config: { ...sums, labels: { heldOut: 0.5 }, score: { scorer: 'prm-logprob' } },
    code: 'nothing-left',
    says: /prm-logprob: twice that share/,
  }),
  'worked solutions that are all too long': () => ({
    config: { ...sums, sft: { train: { maxLength: 8 } } },
    code: 'nothing-left',
    says: /Raise sft\.train\.maxLength/,
  }),
  'a control whose rows are all too long': () => ({
    config: {
      ...sums,
      evaluate: { final: [{ split: 'test', limit: 5 }], control: 'continued-sft' },
      align: { train: { maxLength: 9 } },
    },
    code: 'nothing-left',
    says: /Raise align\.train\.maxLength/,
  }),
  'data that is not there': () => ({
    config: own({ task: { name: 'jsonl', data: join(folder, 'nowhere') } }),
    code: 'not-found',
    says: /nowhere/,
  }),
  'a broken record': () => ({
    config: own({ task: { name: 'jsonl', data: join(folder, 'broken.jsonl') } }),
    code: 'bad-input',
    says: /broken\.jsonl, line 2/,
  }),
  'a task of another name': () => ({
    config: own({ task: { name: 'gms8k' } }),
    code: 'bad-input',
    says: /Did you mean gsm8k/,
  }),
  'a test set that is not there': () => ({
    config: own({ evaluate: { final: [{ split: 'test', data: join(folder, 'no-test.jsonl') }] } }),
    code: 'not-found',
    says: /no-test\.jsonl/,
  }),
  'a set of another task without data': () => ({
    config: own({ evaluate: { final: [{ name: 'svamp', split: 'test', data: join(folder, 'no-svamp') }] } }),
    code: 'not-found',
    says: /no-svamp/,
  }),
  'no worked solutions for the warm-up': () => ({
    config: own({ sft: { enabled: true } }),
    code: 'nothing-left',
    says: /worked solutions for the warm-up/,
  }),
  'no worked solutions for the control': () => ({
    config: own({ evaluate: { final: [{ split: 'test' }], control: 'continued-sft' } }),
    code: 'nothing-left',
    says: /continued-sft/,
  }),
  'a limit that leaves nothing': () => ({
    config: own({ task: { name: 'jsonl', data: join(folder, 'data'), maxGoldSteps: 1 } }),
    code: 'nothing-left',
    says: /maxGoldSteps/,
  }),
};

describe('startRun', () => {
  it.each(Object.entries(refusals))('refuses %s, as the run does, before anything is computed', async (name, make) => {
    const { config: input, task, code, says } = make();
    const config = parseConfig(input);
    const out = join(folder, 'out', name);
    const tasks = input.task?.name === 'sums' ? () => task ?? sumsTask : undefined;
    const refusal = expect.objectContaining({ code, message: expect.stringMatching(says) });
    computed = 0;
    await expect(startRun({ config, out, backend, tasks })).rejects.toEqual(refusal);
    await expect(runLoop({ config, out, backend, tasks })).rejects.toEqual(refusal);
    expect({ computed, written: existsSync(out) }).toEqual({ computed: 0, written: false });
  });

  it('asks what trains before anything is drawn, until every training is done', async () => {
    const config = parseConfig({ ...sums, iterations: 1 });
    const out = join(folder, 'asked');
    const refusal = new SipfError('provider-unavailable', 'Expected a Python, got none.');
    const refusing = { ...backend, checkTraining: () => Promise.reject(refusal) };
    computed = 0;
    await expect(runLoop({ ...plain(), config, out, backend: refusing })).rejects.toBe(refusal);
    expect({ computed, written: existsSync(out) }).toEqual({ computed: 0, written: false });
    const warning = 'trainer packages: torch 2.14.1; tested with torch 2.15.0.';
    const warned = { ...backend, checkTraining: async () => [warning] };
    const told: (string | undefined)[] = [];
    await runLoop({ ...plain(), config, out, backend: warned, log: ({ message }) => told.push(message) });
    expect(told.filter((message) => message === warning).length).toBe(1);
    await runLoop({ ...plain(), config, out, backend: refusing });
    const idle = parseConfig({ ...sums, iterations: 0, sft: { enabled: false } });
    await runLoop({ ...plain(), config: idle, out: join(folder, 'trains nothing'), backend: refusing });
  });

  const plain = () => ({ config: parseConfig(sums), backend, tasks: () => sumsTask });

  it('refuses a folder of another configuration, one at work, a file, and stages of no run', async () => {
    const out = join(folder, 'run');
    await runLoop({ ...plain(), config: parseConfig({ ...sums, iterations: 0 }), out });
    const before = readdirSync(out, { recursive: true });
    await expect(startRun({ ...plain(), out })).rejects.toMatchObject({ code: 'config-changed' });
    await expect(startRun({ ...plain(), out })).rejects.toThrow(/iterations: 0 -> 2/);
    expect(readdirSync(out, { recursive: true })).toEqual(before);
    const busy = join(folder, 'busy');
    mkdirSync(busy);
    await using _lock = await takeLock(nodeDisk, busy);
    await expect(startRun({ ...plain(), out: busy })).rejects.toMatchObject({ code: 'locked' });
    const file = join(folder, 'broken.jsonl');
    await expect(startRun({ ...plain(), out: file })).rejects.toBeInstanceOf(SipfError);
    await expect(startRun({ ...plain(), out: join(file, 'run') })).rejects.toBeInstanceOf(SipfError);
    await expect(startRun({ ...plain(), out: join(folder, 'new'), fromRun: folder })).rejects.toThrow(
      /Expected a run to copy stages from/,
    );
  });

  it('refuses nothing for what the run never does', async () => {
    const idle: ConfigInput[] = [
      { ...sums, evaluate: { control: 'continued-sft' }, align: { train: { maxLength: 9 } } },
      { ...sums, method: 'sft', align: { train: { maxLength: 9 } } },
      { ...sums, iterations: 0, labels: { heldOut: 1 } },
      { ...sums, method: 'siof', labels: { heldOut: 1 }, score: { scorer: 'oracle' } },
      { ...sums, method: 'continued-sft', simulator: 'tiny' },
      { ...sums, method: 'sft', engine: { quantisation: 'nf4' }, sft: { train: { lora: {} } } },
      own({ evaluate: { control: 'continued-sft' } }),
    ];
    for (const input of idle) {
      const tasks = input.task?.name === 'sums' ? () => sumsTask : undefined;
      await using start = await startRun({ config: parseConfig(input), out: join(folder, 'idle'), backend, tasks });
      expect(start.train.length).toBeGreaterThan(20);
    }
  });

  it('makes the model that the run makes, writes nothing, and leaves nothing behind', async () => {
    const out = join(folder, 'made');
    const config = parseConfig({ ...sums, model: { init: {} }, iterations: 0 });
    const start = await startRun({ ...plain(), config, out });
    expect(existsSync(start.base.model)).toBe(true);
    const { hash } = start.description;
    await start[Symbol.asyncDispose]();
    expect({ base: existsSync(start.base.model), out: existsSync(out) }).toEqual({ base: false, out: false });
    const { rounds } = await runLoop({ ...plain(), config: parseConfig({ ...config, sft: { enabled: false } }), out });
    expect(rounds[0]?.policy).toBe(hash);
    await using again = await startRun({
      ...plain(),
      config: parseConfig({ ...config, sft: { enabled: false } }),
      out,
    });
    expect(again.base.model).toBe(join(out, 'iteration-0', '0-model'));
  });
});
