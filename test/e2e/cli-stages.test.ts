// Stage commands beside a run with shots and prm-logprob -> the same records, byte by byte.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askCli, buildCli, SCRIPTED } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
/** Runs the command, which must end well. */
async function sipf(words: string, files: Readonly<Record<string, string>> = {}) {
  const args = [...words.split(' '), ...Object.entries(files).flatMap(([name, path]) => [`--${name}`, path])];
  const { code, stdout, stderr } = await askCli(args, { engine: SCRIPTED, cwd: folder });
  expect({ words, code, stderr: code === 0 ? '' : stderr }).toEqual({ words, code: 0, stderr: '' });
  return { stdout, stderr };
}
const refused = async (words: string) => {
  const { code, stderr } = await askCli(words.split(' '), { engine: SCRIPTED, cwd: folder });
  expect(code).toBe(2);
  return stderr;
};
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

const task = '--task jsonl --data data --prompt.shots 2';
const seeded = `${task} --seed 3 --score.scorer prm-logprob`;
const labels = '--labels.K 4 --labels.unit 4 --labels.heldOut 0.3';
const round = 'run/iteration-1';
// Every text of these sums is there three times or more.
const SHOWN = '8 of 30 questions are worked examples in the prompt and are not asked.';

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-cli-stages-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(30, offset));
  await sipf(`run ${seeded} ${labels} --model base --iterations 2 --sampling.samples 6 --pairs.eta 0.001 --out run`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lines of `file` that the run has too: the loop leaves out scores that no later stage reads. */
function sharedLines(file: string, of = round): string {
  const known = new Set(read(`${of}/4-scores.jsonl`).split('\n'));
  return read(file)
    .split('\n')
    .filter((line) => known.has(line))
    .join('\n');
}

describe('the stages one by one, with worked examples in the prompt', () => {
  const policy = '--model run/iteration-0/6-policy';

  it('write the records of the run', async () => {
    await sipf(`sft ${seeded} --model base --out sft`);
    expect(read('sft/scripted.json')).toBe(read('run/iteration-0/6-policy/scripted.json'));
    const { stderr } = await sipf(`sample ${seeded} ${policy} --sampling.samples 6 --out s.jsonl`);
    expect(stderr).toContain(SHOWN);
    expect(read('s.jsonl')).toBe(read(`${round}/1-samples.jsonl`));
    await sipf(`label ${seeded} ${policy} ${labels} --in s.jsonl --out l.jsonl`);
    expect(read('l.jsonl')).toBe(read(`${round}/2-step-labels.jsonl`));
    await sipf(`train-prm ${seeded} ${policy} ${labels} --in l.jsonl --samples s.jsonl --out prm`);
    expect(read('prm/scripted.json')).toBe(read(`${round}/3-prm/scripted.json`));

    const scored = `score ${seeded} ${policy} ${labels} --prm prm --samples s.jsonl`;
    await sipf(`${scored} --calibration ${round}/4-calibration.json --out c.jsonl`);
    expect(sharedLines('c.jsonl')).toBe(read(`${round}/4-scores.jsonl`));
    const fitted = await sipf(`${scored} --labels l.jsonl --out fitted.jsonl`);
    expect(read('fitted.jsonl')).toBe(read('c.jsonl'));
    expect(fitted.stderr).toContain(JSON.stringify(JSON.parse(read(`${round}/4-calibration.json`))));

    await sipf(`pair ${seeded} --pairs.eta 0.001 --in c.jsonl --samples s.jsonl --out p.jsonl`);
    expect(read('p.jsonl')).toBe(read(`${round}/5-pairs.jsonl`));
    await sipf(`align ${seeded} ${policy} --in p.jsonl --out next`);
    expect(read('next/scripted.json')).toBe(read(`${round}/6-policy/scripted.json`));
  });

  it('train the probe of a run and score by it', async () => {
    const probed = `${task} --seed 3 --score.scorer probe`;
    const settings = '--iterations 1 --sampling.samples 6 --pairs.eta 0.001';
    await sipf(`run ${probed} ${labels} --model base ${settings} --from-run run --out probed`);
    const own = 'probed/iteration-1';
    const records = `--samples ${own}/1-samples.jsonl`;
    const { stdout } = await sipf(
      `train-probe ${probed} ${policy} ${labels} --in ${own}/2-step-labels.jsonl ${records} --out probe.json --json`,
    );
    expect(read('probe.json')).toBe(read(`${own}/3-probe.json`));
    const { steps, correct } = JSON.parse(read('probe.json')) as { steps: number; correct: number };
    expect(JSON.parse(stdout)).toMatchObject({ out: 'probe.json', counts: { steps, correctSteps: correct } });
    await sipf(`score ${probed} ${policy} ${records} --probe probe.json --out probe-scores.jsonl`);
    expect(sharedLines('probe-scores.jsonl', own)).toBe(read(`${own}/4-scores.jsonl`));
    const scored = `score --scorer probe --model run/iteration-0/6-policy --task jsonl --in ${own}/1-samples.jsonl`;
    expect(await refused(`${scored}`)).toMatch(/Expected --probe \(a run's 3-probe\.json, or what train-probe wrote\)/);
    expect(await refused(`score ${probed} --model base ${records} --probe probe.json --out none.jsonl`)).toMatch(
      /Expected the model that the probe was trained on/,
    );
    expect(await refused(`${scored} --probe ${own}/7-eval.json`)).toMatch(/7-eval\.json, field "model"/);
    expect(await refused(`score ${probed} ${policy} ${records} --probe probe.json --out probe.json`)).toMatch(
      /which is --probe/,
    );
  });

  it('draw for a later round what the run drew, and pair shuffled scores as random-pairs does', async () => {
    const later = `${seeded} --model ${round}/6-policy --iteration 2 --known ${round}/1-samples.jsonl`;
    await sipf(`sample ${later} --sampling.samples 6 --out s2.jsonl`);
    expect(read('s2.jsonl')).toBe(read('run/iteration-2/1-samples.jsonl'));
    const pair = `pair ${seeded} --pairs.eta 0.001 --in ${round}/4-scores.jsonl --samples ${round}/1-samples.jsonl`;
    await sipf(`${pair} --method random-pairs --out r.jsonl`);
    await sipf(`run --from-run run --method random-pairs --iterations 1 --out random`);
    expect(read('r.jsonl')).toBe(read('random/iteration-1/5-pairs.jsonl'));
  });

  it('pair steps as the run does, show where paths fork, and train on what follows', async () => {
    const pairing = '--pairs.kind step --pairs.drop 0.02 --pairs.eta 0.001';
    await sipf(`run --from-run run ${pairing} --iterations 1 --out steps`);
    const records = `--in ${round}/4-scores.jsonl --samples ${round}/1-samples.jsonl`;
    await sipf(`pair ${seeded} ${pairing} ${records} --out step-pairs.jsonl`);
    expect(read('step-pairs.jsonl')).toBe(read('steps/iteration-1/5-pairs.jsonl'));
    expect(read('step-pairs.jsonl')).toMatch(/"shared":[1-9]/);
    expect((await sipf('show steps --pairs --limit 100')).stdout).toContain('Both paths begin with (no loss here):');
    await sipf(`align ${seeded} ${policy} --in step-pairs.jsonl --out step-policy`);
    expect(read('step-policy/scripted.json')).toBe(read('steps/iteration-1/6-policy/scripted.json'));
    expect(
      await refused(`pair ${seeded} --pairs.kind step --pairs.eta 5 --pairs.nllRows false ${records} --out none.jsonl`),
    ).toMatch(/after the steps that they share, got none in .* Lower --pairs\.eta or --pairs\.drop/);
  });

  it('need no scores for a method without them, and no pairs for one that trains on worked solutions', async () => {
    const start = `${seeded} --model run/iteration-0/6-policy`;
    await sipf(`run --from-run run --method online-rft --iterations 1 --out rft`);
    await sipf(`pair ${seeded} --method online-rft --samples ${round}/1-samples.jsonl --out right.jsonl`);
    expect(read('right.jsonl')).toBe(read('rft/iteration-1/5-pairs.jsonl'));
    await sipf(`align ${start} --method online-rft --in right.jsonl --out rft-policy`);
    expect(read('rft-policy/scripted.json')).toBe(read('rft/iteration-1/6-policy/scripted.json'));
    await sipf(`run --from-run run --method continued-sft --iterations 1 --out gold`);
    await sipf(`align ${start} --method continued-sft --out gold-policy`);
    expect(read('gold-policy/scripted.json')).toBe(read('gold/iteration-1/6-policy/scripted.json'));
    expect(await refused(`pair ${seeded} --samples ${round}/1-samples.jsonl --out none.jsonl`)).toMatch(
      /Expected --in/,
    );
  });

  it('take worked examples from the train split, whatever split is asked', async () => {
    const { stderr } = await sipf(
      `sample ${seeded} --model base --split test --task.limit 9 --sampling.samples 1 --out t.jsonl`,
    );
    expect(stderr).not.toContain('not asked');
    const asked = read('t.jsonl').split('\n').length;
    // Samples and gold solutions of all 30 questions.
    expect(asked).toBe(61);
  });
});

describe('sipf eval', () => {
  it('asks with the prompt of a run', async () => {
    // The scripted model answers what follows its word, and slips as the whole prompt decides.
    const own = { 'prompt.instruction': 'Question: 1+2+3+4+5' };
    const chat = '--prompt.style chat --prompt.system Think.';
    await sipf(`run ${task} --seed 3 --method sft --model base ${chat} --out chat`, own);
    const evaluated = `eval ${task} --split valid --model chat/iteration-0/6-policy`;
    await sipf(`${evaluated} ${chat} --out chat.jsonl`, own);
    expect(read('chat.jsonl')).toBe(read('chat/iteration-0/7-answers.jsonl'));
    await sipf(`${evaluated} --chat --out other.jsonl`, own);
    expect(read('other.jsonl')).not.toBe(read('chat.jsonl'));
    expect(await refused(`${evaluated} --prompt.sytem Think.`)).toMatch(/Did you mean --prompt\.system/);
  });
});

describe('sipf score', () => {
  const paths = [
    { id: 'a', question: '1+1+1', steps: ['1+1=2', '2+1=3'], label: -1 },
    { id: 'long', question: '1+1+1', steps: ['1+1=2', `2+1=3 ${'x'.repeat(5000)}`], label: 1 },
    { id: 'b', question: '1+1+1', steps: ['1+1=3', '3+1=4'], label: 0 },
  ];
  const calibration = { steps: 9, correct: 5, intercept: 0, prmLogit: 1, meanLogp: 0, minLogp: 0 };
  beforeAll(() => {
    writeFileSync(join(folder, 'paths.jsonl'), paths.map((path) => `${JSON.stringify(path)}\n`).join(''));
    writeFileSync(join(folder, 'weights.json'), JSON.stringify(calibration));
  });
  const rows = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; scores: number[] | null; firstError: number | null });

  it('continues past a path that is too long, and says so', async () => {
    const { stdout, stderr } = await sipf('score --prm prm --task jsonl --in paths.jsonl --json');
    expect(rows(stdout)).toEqual([
      { id: 'a', scores: [0.8, 0.8], firstError: -1 },
      { id: 'long', scores: null, firstError: null },
      { id: 'b', scores: [0.3, 0.8], firstError: 0 },
    ]);
    expect(stderr).toContain("1 path is too long for the model's context, or empty: scores null.");
    expect(stderr).toContain('first error found in 100.0 % of 1 wrong paths');
    expect((await sipf('score --prm prm --task jsonl --in paths.jsonl')).stdout).toContain('long  too long to score');
  });

  it('says that a file has no path', async () => {
    writeFileSync(join(folder, 'empty.jsonl'), '\n');
    expect(await refused('score --prm prm --task jsonl --in empty.jsonl')).toContain('paths in empty.jsonl, got none.');
  });

  it('writes null scores into records, which pair passes over', async () => {
    const [first = ''] = read(`${round}/1-samples.jsonl`).split('\n').slice(1);
    const sample = JSON.parse(first) as { id: string; steps: string[] };
    const long = { ...sample, id: `${sample.id}/long`, steps: ['1+1=2', 'x'.repeat(5000)] };
    writeFileSync(
      join(folder, 'long.jsonl'),
      `${read(`${round}/1-samples.jsonl`)}`.replace(first, `${first}\n${JSON.stringify(long)}`),
    );
    const { stdout } = await sipf(`score ${task} --prm prm --samples long.jsonl --out lc.jsonl --json`);
    expect(JSON.parse(stdout)).toMatchObject({ counts: { pathsTooLong: 1, unscored: 1 } });
    const record = read('lc.jsonl')
      .split('\n')
      .find((line) => line.includes(long.id));
    expect(JSON.parse(record ?? '')).toMatchObject({ sampleId: long.id, scorer: 'prm', scores: null });
    await sipf(`pair ${task} --pairs.eta 0.001 --in lc.jsonl --samples long.jsonl --out lp.jsonl`);
    expect(read('lp.jsonl').split('\n').length).toBeGreaterThan(10);
    expect(read('lp.jsonl')).not.toContain(`"sampleId":"${long.id}","steps":["1+1=2","xxx`);
  });

  it('knows the other scorers, and what each needs', async () => {
    const logprob = rows(
      (await sipf('score --scorer logprob --model base --task jsonl --in paths.jsonl --json')).stdout,
    );
    expect(logprob[0]?.scores?.[0]).toBe(logprob[0]?.scores?.[1]);
    const weighed = await sipf(
      'score --scorer prm-logprob --prm prm --model base --calibration weights.json --task jsonl --in paths.jsonl --json',
    );
    expect(rows(weighed.stdout)[2]?.scores?.[0]).toBeCloseTo(0.3, 5);
    await sipf(`score ${task} --scorer outcome --samples ${round}/1-samples.jsonl --out o.jsonl`);
    expect(new Set(read('o.jsonl').match(/"scores":\[[01]/g))).toEqual(new Set(['"scores":[0', '"scores":[1']));
    expect(await refused('score --scorer prm-logprob --prm prm --model base --in paths.jsonl')).toMatch(
      /--calibration/,
    );
    expect(await refused('score --scorer prm-logprob --prm prm --calibration weights.json --in paths.jsonl')).toMatch(
      /Expected --model for --scorer prm-logprob/,
    );
    expect(await refused('score --scorer tallies --in paths.jsonl')).toMatch(/Give --samples and --labels/);
    expect(
      await refused('score --scorer prm-logprob --prm prm --model base --calibration paths.jsonl --in paths.jsonl'),
    ).toMatch(/paths\.jsonl/);
    await refused(`score ${task} --scorer oracle --samples ${round}/1-samples.jsonl --out none.jsonl`);
    expect(readdirSync(folder).filter((name) => name.startsWith('none'))).toEqual([]);
    expect(await refused('score --prm prm --promt.shots 2 --in paths.jsonl')).toMatch(/Did you mean --prompt\.shots/);
  });

  it('uses the configured prompt', async () => {
    const score = 'score --scorer logprob --model base --task jsonl --in paths.jsonl --json';
    const plain = (await sipf(score)).stdout;
    const chat = (await sipf(`${score} --prompt.style chat --prompt.system Think.`)).stdout;
    const shown = (await sipf(`${score} --data data --prompt.shots 2`)).stdout;
    expect(new Set([plain, chat, shown]).size).toBe(3);
    expect((await sipf('score --prm prm --task jsonl --in paths.jsonl --json --prompt.style chat')).stdout).toBe(
      (await sipf('score --prm prm --task jsonl --in paths.jsonl --json')).stdout,
    );
  });
});
