// sipf export and import as commands: data sets of a scripted run, weights of a tiny model.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Question, Sample } from '../../src/records.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';
import { askCli, buildCli, runCli, SCRIPTED } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
const sipf = async (words: string, engine?: string) => {
  const { code, stdout, stderr } = await askCli(words.split(' '), { cwd: folder, ...(engine && { engine }) });
  expect({ words, code, stderr: code === 0 ? '' : stderr }).toEqual({ words, code: 0, stderr: '' });
  return stdout;
};
const refused = async (words: string) => {
  const { code, stderr } = await askCli(words.split(' '), { cwd: folder });
  expect([words, code]).toEqual([words, 2]);
  return stderr;
};
function records<T>(...path: string[]): T[] {
  const lines = readFileSync(join(folder, ...path), 'utf8').trim();
  return lines.split('\n').map((line) => JSON.parse(line) as T);
}
/** Exports a data set as `ending`, and imports it again. */
async function there(form: string, ending: string): Promise<string> {
  const [file, back] = [`${form}.${ending}`, `${form}-${ending}`];
  await sipf(`export run --to ${form} --out ${file}`);
  await sipf(`import --from ${form} --in ${file} --out ${back}`);
  return back;
}

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-export-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(20, offset));
  const settings = '--sampling.samples 4 --labels.K 2 --labels.heldOut 0.3 --labels.closure none';
  await sipf(`run --task jsonl --data data --model base --iterations 1 --seed 3 --out run ${settings}`, SCRIPTED);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('data sets', () => {
  it.each(['stepwise', 'math-shepherd', 'prm800k', 'processbench'])(
    '%s: what is imported again is what the run has',
    async (form) => {
      const backs = [await there(form, 'jsonl'), await there(form, 'parquet')];
      const [samples, other] = backs.map((back) => records<Sample>(back, 'samples.jsonl'));
      expect(other).toEqual(samples);
      const questions = new Map(records<Question>('run/iteration-0/0-questions.jsonl').map((one) => [one.id, one]));
      const labelled = new Set(
        records<{ sampleId: string }>('run/iteration-1/2-step-labels.jsonl').map((one) => one.sampleId),
      );
      const own = records<Sample>('run/iteration-1/1-samples.jsonl').filter(({ id }) => labelled.has(id));
      const step = (text: string) => text.replace(/^Step \d+: /, '');
      expect(samples!.map(({ steps }) => steps.map(step))).toEqual(own.map(({ steps }) => steps));
      expect(samples!.map((one) => (one as unknown as Question).question)).toEqual(
        own.map(({ questionId }) => questions.get(questionId)!.question),
      );
      expect(samples!.map(({ outcome }) => outcome.kind)).toEqual(own.map(({ outcome }) => outcome.kind));
      const stated = records<{ labels: boolean[] }>('stepwise.jsonl').map(({ labels }) => labels);
      const [labels, same] = backs.map((back) =>
        records<{ steps: { assumed: boolean }[] }>(back, 'labels.jsonl').map(({ steps }) =>
          steps.map((one) => one.assumed),
        ),
      );
      expect(same).toEqual(labels);
      // ProcessBench knows the first wrong step alone.
      const known = (row: boolean[]) => row.map((_, n) => row.slice(0, n + 1).every(Boolean));
      expect(labels).toEqual(form === 'processbench' ? stated.map(known) : stated);
    },
  );

  it('train a process reward model, a policy and pairs', async () => {
    const stepwise = 'stepwise-jsonl';
    const labels = `--in ${stepwise}/labels.jsonl --samples ${stepwise}/samples.jsonl`;
    await sipf(`train-prm --task jsonl ${labels} --model base --labels.closure none --out prm`, SCRIPTED);
    await sipf('export run --to preference --out pairs.parquet');
    await sipf('align --task jsonl --in pairs.parquet --model base --align.gold 0 --out policy', SCRIPTED);
    const sft = await there('sft', 'parquet');
    const solutions = records<Question>('run/iteration-0/0-questions.jsonl');
    expect(records<Question>(sft, 'questions.jsonl').slice(0, solutions.length)).toEqual(
      solutions.map(({ question, answer, solution }, n) => ({
        id: `sft/${n}`,
        question,
        answer,
        solution: `${solution!.join('\n')}\n`,
      })),
    );
    await sipf(`sft --task jsonl --questions ${sft}/questions.jsonl --model base --out sft-policy`, SCRIPTED);
    const unpaired = await there('unpaired', 'jsonl');
    const rows = records<Sample>(unpaired, 'samples.jsonl').map(({ outcome }) => outcome.kind);
    expect(rows).toEqual(records<Sample>('run/iteration-1/1-samples.jsonl').map(({ outcome }) => outcome.kind));
    await sipf(
      `label --task jsonl --in ${unpaired}/samples.jsonl --model base --labels.K 2 --out labels.jsonl`,
      SCRIPTED,
    );
  });

  it('are refused by name, and nothing is written', async () => {
    expect(await refused('export run --to stepwize --out a.jsonl')).toContain('Did you mean stepwise?');
    expect(await refused('import --from shepherd --in a --out b')).toContain('Did you mean math-shepherd?');
    expect(await refused('export run --to sft --out a.csv')).toContain('ends in .jsonl or .parquet');
    expect(await refused('export run --to sft --dtype f16 --out a.jsonl')).toContain('no --dtype for --to sft');
    expect(await refused('export run --to sft --out data')).toContain('.jsonl or .parquet, got data');
    expect(await refused('export run --to sft --out data/train.jsonl')).toContain('data/train.jsonl, which is there');
    expect(await refused('export run --to preference --iteration 7 --out a.jsonl')).toContain('in round 7 of run');
    expect(await refused('export --to sft --out a.jsonl')).toContain('Expected a run for --to sft');
    writeFileSync(join(folder, 'bad.jsonl'), '{"prompt": "2+3?", "completion": "5", "label": 1}\n');
    expect(await refused('import --from unpaired --in bad.jsonl --out b')).toContain(
      'bad.jsonl, line 1, field "label"',
    );
    expect(await refused('import --from sft --in bad.jsonl --out data')).toContain('data, which is there');
    mkdirSync(join(folder, 'broken'));
    writeFileSync(join(folder, 'broken', 'config.json'), readFileSync(join(folder, 'run', 'config.json')));
    expect(await refused('export broken --to preference --out a.jsonl')).toContain(
      '--to preference in broken, got none',
    );
    expect(await refused('export broken --to merged --out a')).toContain('a trained policy in broken, got none');
    expect(readdirSync(folder).filter((name) => ['a', 'a.jsonl', 'a.csv', 'b'].includes(name))).toEqual([]);
  });
});

it('weights: each form of a model with its adapter, refused where something is there', async () => {
  const model = await makeModelFolder(folder, {
    config: { rope_parameters: { rope_theta: 10000, rope_type: 'default' } },
  });
  const given = ['export', '--model', model, '--adapter', join(fixtures, 'models/llama/adapter')];
  const run = (...args: string[]) =>
    runCli([...given, ...args], { cwd: folder, env: { SIPF_CACHE: join(folder, 'cache') } });
  const merged = await run(
    '--to',
    'merged',
    '--dtype',
    'bf16',
    '--base',
    'owner/base',
    '--license',
    'mit',
    '--out',
    'merged',
    '--json',
  );
  expect([merged.code, merged.stderr]).toEqual([0, '']);
  expect(JSON.parse(merged.stdout)).toMatchObject({ to: 'merged', out: 'merged', iteration: null, warnings: [] });
  expect(readdirSync(join(folder, 'merged')).sort()).toEqual(
    [
      'README.md',
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ].sort(),
  );
  expect(readFileSync(join(folder, 'merged/README.md'), 'utf8')).toMatch(
    /^---\nlicense: "mit"\n[\s\S]*base_model: "owner\/base"\n/,
  );
  const gguf = await run('--to', 'gguf', '--out', 'merged.gguf');
  expect([gguf.code, gguf.stderr]).toEqual([0, 'Wrote merged.gguf.\n']);
  const again = await run('--to', 'gguf', '--out', 'merged.gguf');
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('merged.gguf, which is there')]);
  const unnamed = await run('--to', 'peft', '--out', 'peft');
  expect([unnamed.code, unnamed.stderr]).toEqual([2, expect.stringContaining('Expected --base')]);
  expect(existsSync(join(folder, 'peft'))).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
