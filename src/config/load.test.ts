// The configuration's layers, its refusals and its presets.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ON_UNSAID } from '../described.ts';
import { jsonDifference } from '../hashing.ts';
import { nearest } from '../nearest.ts';
import { loadConfig, parseConfig } from './load.ts';
import { isOnlyCheck, PRESETS } from './presets.ts';
import { configKeys, configSettings } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-config-'));
function fileWith(text: string): string {
  const file = join(folder, `${Math.abs(text.length * 7919)}.json`);
  writeFileSync(file, text);
  return file;
}

describe('loadConfig', () => {
  it('takes defaults < presets < file < flags', async () => {
    const file = fileWith('{"seed": 5, "sampling": {"samples": 3, "temperature": 0.9}}');
    const config = await loadConfig({
      preset: 'smoke',
      file,
      flags: { 'sampling.temperature': '1.2', 'task.data': '123' },
    });
    expect(config.sampling).toMatchObject({ samples: 3, temperature: 1.2, questions: 24, topP: 1 });
    expect(config.seed).toBe(5);
    expect(config.task.data).toBe('123');
  });

  it('keeps a text that looks like a number or an object where a setting takes any text', async () => {
    const sampler = { kind: 'openai', url: 'http://localhost:8000/v1', model: '7', apiKeyFrom: '1' };
    const keys = Object.entries(sampler).map(([key, value]) => [`engine.sampler.${key}`, value]);
    const flags = {
      ...Object.fromEntries(keys),
      'prompt.system': '{"a": 1}',
      model: '7',
      simulator: '8',
      adapter: 'null',
    };
    const config = await loadConfig({ flags });
    expect(config.engine.sampler).toMatchObject(sampler);
    expect(config).toMatchObject({
      model: '7',
      simulator: { model: '8' },
      adapter: null,
      prompt: { system: '{"a": 1}' },
    });
    const made = await loadConfig({ flags: { model: '{"init": {"hidden_size": 64}}', 'labels.K': '4' } });
    expect(made).toMatchObject({ model: { init: { hidden_size: 64 } }, labels: { K: 4 } });
  });

  it('shows no character of a file that would move the cursor', () => {
    const refused = (tree: object) => {
      try {
        parseConfig(tree);
      } catch (error) {
        return (error as Error).message;
      }
      return 'nothing was refused';
    };
    expect(refused({ align: { start: 'previ\u007fus' } })).toContain('got "previ?us"');
    expect(refused({ align: { start: '\u009b2J' } })).toContain('got "?2J"');
    expect(refused({ 'se\u001b[2Jed\n': 1 })).toContain('got se?[2Jed?.');
  });

  it("reads past an editor's $schema in a file, and only there", async () => {
    const file = fileWith('{"$schema": "./docs/config.schema.json", "seed": 7}');
    expect(await loadConfig({ file })).toEqual(parseConfig({ seed: 7 }));
    await expect(loadConfig({ file: fileWith('{"sampling": {"$schema": "x"}}') })).rejects.toThrow(
      /sampling\.\$schema/,
    );
    expect(() => parseConfig({ $schema: 'x' })).toThrow(/\$schema/);
  });

  it('puts paper on top of another preset', async () => {
    const config = await loadConfig({ preset: 'gsm8k-smollm2+paper' });
    expect(config.task.name).toBe('gsm8k');
    expect(config).toMatchObject({
      labels: { closure: 'none', mode: 'full' },
      pairs: { chosenGate: 'none', perQuestion: null, total: null, nllRows: false },
    });
    expect(config.align).toMatchObject({ start: 'base', loss: { lambda: 0.1, maxLogp: null } });
  });

  it('reads null, lists and objects from flags', async () => {
    const config = await loadConfig({
      flags: {
        'pairs.perQuestion': 'null',
        'sft.train.lora': '{"rank": 4}',
        simulator: '{"model": "big"}',
        model: './7',
      },
    });
    expect(config.pairs.perQuestion).toBeNull();
    expect(config.sft.train.lora).toMatchObject({ rank: 4, alpha: 32 });
    expect(config.simulator).toEqual({ model: 'big', adapter: null });
    const named = await loadConfig({ flags: { simulator: './big', verifier: 'self' } });
    expect(named.simulator).toEqual({ model: './big', adapter: null });
    expect(named.verifier).toBe('self');
    expect(config.model).toBe('./7');
  });

  it.each([
    [{ 'sampling.temprature': '1' }, /sampling\.temprature.*Did you mean sampling\.temperature\?/],
    [{ temperature: '1' }, /got temperature\. Did you mean (sampling|labels)\.temperature\?/],
    [{ 'pairs.etta': '1' }, /Did you mean pairs\.eta\?/],
    [{ 'align.train.lr': '1' }, /Did you mean align\.train\./],
    [{ 'labels.K': '"many"' }, /labels\.K/],
    [{ 'model.init.hidden': '3' }, /model\.init\.hidden.*Did you mean model\.init\.hidden_size\?/],
    [{ method: 'sapa' }, /method/],
    ...['foo', '[]', '[3]'].map((targets): [Record<string, string>, RegExp] => [
      { 'align.train.lora.targets': targets },
      /value for align\.train\.lora\.targets \(.*list of .*texts.*, or all-linear\), got .*\. Change/,
    ]),
    [{ iterations: '1.5' }, /value for iterations \(whole number of at least 0.*\), got 1\.5\. Change that value\./],
    [{ 'sampling.topP': '2' }, /value for sampling\.topP \(number above 0 and at most 1\), got 2\./],
    [{ 'sft.enabled': 'yes' }, /value for sft\.enabled \(true, false\), got "yes"\./],
    [{ 'evaluate.final': '[{"split":"tset"}]' }, /value for evaluate\.final\.0\.split .*, got "tset"\./],
  ])('refuses %o, saying what was meant', async (flags, message) => {
    const error = await loadConfig({ preset: 'smoke', flags: flags as Record<string, string> }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'bad-config' });
    expect(String(error)).toMatch(message);
  });

  it('names a missing or broken file and an unknown preset', async () => {
    await expect(loadConfig({ file: join(folder, 'no.json') })).rejects.toThrow(/no\.json, got nothing there\./);
    await expect(loadConfig({ file: folder })).rejects.toThrow(/got a folder\./);
    await expect(loadConfig({ file: fileWith('[1]\n') })).rejects.toThrow(/got \[1\]\. Fix the file\./);
    await expect(loadConfig({ file: fileWith('{"seed": ') })).rejects.toMatchObject({ code: 'bad-config' });
    await expect(loadConfig({ preset: 'smok' })).rejects.toThrow(
      /smoke, quickstart, gsm8k-smollm2, paper.*Did you mean smoke\?/,
    );
  });
});

describe('a section whose settings depend on its kind', () => {
  const lossOf = async (sources: Parameters<typeof loadConfig>[0]) => (await loadConfig(sources)).align.loss;

  it('has the first kind where none is named', async () => {
    expect(await lossOf({ flags: { 'align.loss.lambda': '0.3' } })).toMatchObject({ kind: 'orpo', lambda: 0.3 });
  });

  it('drops the settings of the kind before, in whatever order flags name the new one', async () => {
    const dpo = { kind: 'dpo', beta: 0.3, nllWeight: 0 };
    const flags = { 'align.loss.beta': '0.3', 'align.loss.kind': 'dpo' };
    expect(await lossOf({ preset: 'quickstart', flags })).toEqual(dpo);
    const whole = parseConfig({ align: { loss: { lambda: 0.5 } } });
    expect(await lossOf({ flags: { align: whole.align, ...flags } })).toEqual(dpo);
    const file = fileWith('{"align": {"loss": {"kind": "dpo", "nllWeight": 1}}}');
    expect(await lossOf({ preset: 'paper', file, flags: { 'align.loss.beta': '0.3' } })).toEqual({
      ...dpo,
      nllWeight: 1,
    });
  });

  it('keeps the settings of the same kind', async () => {
    const flags = { 'align.loss.kind': 'orpo' };
    expect(await lossOf({ preset: 'quickstart', flags })).toMatchObject({ kind: 'orpo', lambda: 0.02 });
  });

  it.each([
    [{ 'align.loss.beta': '1' }, /setting of align\.loss\.kind orpo, got align\.loss\.beta, which another kind has/],
    [{ 'align.loss.kind': 'simpo' }, /align\.loss\.kind \(orpo, dpo\), got "simpo"/],
    [{ 'align.lambda': '1' }, /got align\.lambda\. Did you mean align\.loss\.lambda\?/],
    [{ 'align.maxLogp': 'null' }, /got align\.maxLogp\. Did you mean align\.loss\.maxLogp\?/],
  ])('refuses %j', async (flags, message) => {
    await expect(loadConfig({ flags })).rejects.toThrow(message);
  });
});

describe('a method that stands for more than itself', () => {
  it.each([
    ['srf', { align: { loss: { kind: 'dpo', nllWeight: 0 }, gold: 0 }, pairs: { nllRows: false } }],
    ['rpo', { align: { loss: { kind: 'dpo', nllWeight: 1 }, gold: 1 }, pairs: { nllRows: true } }],
    ['sapo', { score: { scorer: 'prm' }, labels: { mode: 'verify', keepRollouts: true } }],
    ['star', { sampling: { hint: true, questions: 1200 } }],
    ['cot', { sft: { enabled: false }, prompt: { shots: 8 } }],
    ['rft-dpo', { iterations: 2, align: { loss: { kind: 'dpo' } } }],
  ])('%s is over a preset and over what another run had', async (method, settings) => {
    expect(await loadConfig({ preset: 'quickstart', flags: { method } })).toMatchObject(settings);
    const base = { ...(await loadConfig({ preset: 'quickstart' })) };
    expect(await loadConfig({ base, flags: { method } })).toMatchObject(settings);
    const stored = await loadConfig({ preset: 'quickstart', flags: { method } });
    expect(parseConfig(JSON.parse(JSON.stringify(stored)))).toEqual(stored);
  });

  it('keeps its own settings and lets the rest be changed', async () => {
    const flags = { method: 'rpo', 'align.loss.beta': '0.3' };
    expect((await loadConfig({ preset: 'quickstart', flags })).align.loss).toMatchObject({ beta: 0.3, nllWeight: 1 });
    const shots = await loadConfig({ flags: { method: 'cot', 'prompt.shots': '2' } });
    expect(shots.prompt.shots).toBe(2);
  });

  it.each([
    [{ method: 'srf', 'align.loss.kind': 'orpo' }, /align\.loss\.kind dpo for the method srf, got "orpo"/],
    [{ method: 'srf', 'align.loss.nllWeight': '1' }, /align\.loss\.nllWeight 0 for the method srf, got 1/],
    [{ method: 'sapo', 'score.scorer': 'logprob' }, /score\.scorer prm for the method sapo/],
    [
      { method: 'sapo', 'prm.targets': 'soft' },
      /labels\.mode full or gold-likelihood \(or auto\) for prm\.targets soft, got verify/,
    ],
    [{ method: 'star', 'sampling.hint': 'false' }, /sampling\.hint true for the method star/],
    [{ method: 'rft-dpo', iterations: '1' }, /iterations 2 for the method rft-dpo/],
    [{ method: 'srf', 'align.loss.lambda': '1' }, /setting of align\.loss\.kind dpo, got align\.loss\.lambda/],
  ])('refuses %j', async (flags, message) => {
    await expect(loadConfig({ preset: 'quickstart', flags })).rejects.toThrow(message);
    await expect(loadConfig({ flags })).rejects.toMatchObject({ code: 'bad-config' });
  });

  it('refuses a file that says otherwise', async () => {
    const file = fileWith('{"method": "psrf", "align": {"loss": {"kind": "orpo"}}}');
    await expect(loadConfig({ preset: 'quickstart', file })).rejects.toThrow(/for the method psrf/);
  });
});

describe('presets', () => {
  it.each(Object.keys(PRESETS))('%s is valid', async (preset) => {
    // One that is wrong throws; none turns the rounds off.
    expect((await loadConfig({ preset })).iterations).toBeGreaterThanOrEqual(2);
  });

  it('only smoke and what varies it is no more than a check', async () => {
    const checks = await Promise.all(
      Object.keys(PRESETS).map(async (preset) => [preset, isOnlyCheck(await loadConfig({ preset }))] as const),
    );
    expect(checks.filter(([, only]) => only)).toEqual([['smoke', true]]);
    expect(isOnlyCheck(await loadConfig({ preset: 'smoke', flags: { method: 'siof', 'labels.K': '4' } }))).toBe(true);
    expect(isOnlyCheck(parseConfig({ model: 'a/b' }))).toBe(false);
  });

  it('gsm8k-smollm2 learns from short problems and is graded in and out of domain', async () => {
    const { task, align, evaluate } = await loadConfig({ preset: 'gsm8k-smollm2' });
    expect([task.name, task.maxGoldSteps, align.train.lora?.rank]).toEqual(['gsm8k', 3, 16]);
    expect(evaluate.final.map(({ name }) => name)).toEqual([null, 'svamp', 'multiarith']);
  });
});

describe('jsonDifference', () => {
  it('names the keys and both values', () => {
    const a = parseConfig({ seed: 1 });
    expect(jsonDifference(a, parseConfig({ seed: 2, align: { loss: { lambda: 1 } } }))).toEqual([
      { key: 'seed', from: 1, to: 2 },
      { key: 'align.loss.lambda', from: 0.1, to: 1 },
    ]);
    expect(jsonDifference(a, parseConfig({ seed: 1 }))).toEqual([]);
  });
});

it('knows every dotted key, those behind null and unions too', () => {
  const keys = configKeys();
  for (const key of [
    'sampling.quota.budget',
    'align.train.lora.rank',
    'model.init.hidden_size',
    'simulator.model',
    'evaluate.sets',
  ])
    expect(keys).toContain(key);
  expect(nearest('sampling.sample', keys)).toBe('sampling.samples');
});

it('settles labels.mode by what the configuration needs', () => {
  expect(parseConfig({}).labels.mode).toBe('first-success');
  expect(parseConfig({ score: { scorer: 'tallies' } }).labels.mode).toBe('full');
  expect(parseConfig({ prm: { targets: 'soft' } }).labels.mode).toBe('full');
  expect(() => parseConfig({ prm: { targets: 'soft' }, labels: { mode: 'first-success' } })).toThrow(
    /labels\.mode full or gold-likelihood \(or auto\) for prm\.targets soft, got first-success/,
  );
  const likelihood = { mode: 'gold-likelihood' };
  expect(parseConfig({ prm: { targets: 'soft' }, labels: likelihood }).labels.mode).toBe('gold-likelihood');
  expect(() => parseConfig({ score: { scorer: 'tallies' }, labels: likelihood })).toThrow(
    /labels\.mode full \(or auto\) for score\.scorer tallies/,
  );
});

it('says what a section takes', () => {
  expect(() => parseConfig({ prm: { denoise: true } })).toThrow(
    'Expected a valid value for prm.denoise (an object, such as {} or one with minRight, or null), got true.',
  );
  expect(() => parseConfig({ sampling: 3 })).toThrow(
    'Expected a valid value for sampling (an object, such as {} or one with questions), got 3.',
  );
});

it('refuses to keep rollouts where there are none', () => {
  expect(() => parseConfig({ labels: { mode: 'gold-likelihood', keepRollouts: true } })).toThrow(
    /labels\.mode with rollouts for labels\.keepRollouts true, got gold-likelihood/,
  );
});

it('refuses step pairs where steps have no scores of their own', () => {
  expect(parseConfig({ pairs: { kind: 'step' } }).pairs).toMatchObject({ drop: 0.2, below: 0.5 });
  expect(() => parseConfig({ method: 'random-pairs', pairs: { kind: 'step' } })).toThrow(
    /Expected pairs\.kind path for the method random-pairs, which shuffles path scores/,
  );
  expect(() => parseConfig({ method: 'siof', pairs: { kind: 'step' } })).toThrow(
    /Expected pairs\.kind path for the method siof, which scores whole paths, got step/,
  );
  expect(() => parseConfig({ score: { scorer: 'logprob' }, pairs: { kind: 'step' } })).toThrow(
    /Expected pairs\.kind path for score\.scorer logprob, which scores whole paths/,
  );
  expect(() => parseConfig({ pairs: { below: 2 } })).toThrow(
    /pairs\.below \(number of at least 0 and at most 1, or null\)/,
  );
  const unread = { method: 'online-rft', score: { scorer: 'logprob' }, pairs: { kind: 'step' } };
  expect(parseConfig(unread).pairs.kind).toBe('step');
});

describe('a preset with another task than its own', () => {
  it('keeps its settings, and leaves out its questions and the sets of third tasks', async () => {
    const own = await loadConfig({ preset: 'gsm8k-smollm2', flags: { 'task.name': 'jsonl', 'task.data': 'q.jsonl' } });
    expect(own.task).toMatchObject({ name: 'jsonl', data: 'q.jsonl', maxGoldSteps: null });
    expect(own.evaluate.final).toMatchObject([{ name: null, split: 'test' }]);
    expect(own.sampling.questions).toBe(220);
    const code = await loadConfig({ preset: 'mbpp-smollm2', flags: { 'task.name': 'code' } });
    expect(code.evaluate.sets).toMatchObject([{ name: null }]);
  });

  it('is whole for its own task, and for a mixture with it', async () => {
    for (const flags of [{}, { 'task.name': 'gsm8k' }, { 'task.name': 'gsm8k+mbpp' }]) {
      const config = await loadConfig({ preset: 'gsm8k-smollm2', flags });
      expect(config.task.maxGoldSteps).toBe(3);
      expect(config.evaluate.final).toHaveLength(3);
    }
    const paper = await loadConfig({ preset: 'gsm8k-smollm2+paper', flags: { 'task.name': 'jsonl' } });
    expect(paper.prm.train.epochs).toBe(10);
  });
});

it('settings that are on unsaid have names that stages know', () => {
  const at = (tree: unknown, key: string) => (tree as Record<string, unknown> | null)?.[key];
  const unsaid = configSettings().filter(({ key, fallback }) => {
    const [name = '', ...section] = key.split('.').reverse();
    const own = section.reverse().reduce<unknown>(at, parseConfig({}));
    return fallback === true && own instanceof Object && at(own, name) === undefined;
  });
  expect(unsaid.map(({ key }) => key.split('.').at(-1)).sort()).toEqual([...ON_UNSAID].sort());
});
