// Pairs that share first steps -> the loss of pairs whose prompt has them, by training and by hand.
import { expect, test } from 'vitest';
import type { Policy, PreferenceExample, TokenLogps } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { referenceUnit, rowsToCompare, withReferences } from '../../src/method/reference-logps.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import type { Objective } from '../../src/objectives/objectives.ts';
import { tokenise, tokensOf } from '../../src/training/examples.ts';
import { cache, engine, gradientsOf, modelWithTokenizer, readJson, rowEach } from '../training-fixtures.ts';

const { pairs } = readJson<{ pairs: { prompt: string; chosen: string; rejected: string }[] }>('orpo/reference.json');
const model = modelWithTokenizer('models/llama', 512);
const tokenizer = await loadTokenizer(model);
const lines = (text: string): string[] => text.split('\n').map((line) => `${line}\n`);

/** The first lines of a chosen path, then what follows them there and in the rejected path. */
const rows = pairs.slice(0, 4).map(({ prompt, chosen, rejected }, n): PreferenceExample => {
  const shared = lines(chosen).slice(0, (n % 2) + 1);
  return { kind: 'preference', prompt, shared, chosen: lines(chosen).slice(shared.length), rejected: lines(rejected) };
});
const prompted = rows.map(({ shared = [], ...row }) => ({ ...row, prompt: row.prompt + shared.join('') }));

const orpo: Objective = { kind: 'orpo', lambda: 0.7, nllScope: 'completion', normalise: 'step', maxLogp: null };
const dpo: Objective = { kind: 'dpo', beta: 0.1, nllWeight: 0.5 };

/** Loss and gradients of rows on another policy than their reference is of. */
async function trained(examples: readonly PreferenceExample[], objective: Objective) {
  await using policy = await openInProcessPolicy(engine, { model }, { cache });
  const compared = rowsToCompare(examples, objective);
  const { records } = await referenceUnit(compared, { policy, calculatorLoss: true });
  const { kept } = tokenise(withReferences(examples, records), objective.kind, tokenizer, 512);
  await using gradients = await gradientsOf({ model, objective });
  const moved = gradients.params.map((value, i) => value * (1 + 0.05 * Math.sin(i)));
  const pass = rowEach(kept, Math.max(...kept.map(tokensOf)));
  return { kept, records, found: await gradients.run([pass], moved) };
}

test.each([
  ['orpo', orpo],
  ['orpo with the prompt in the likelihood', { ...orpo, nllScope: 'all' }],
  ['dpo with the likelihood of the chosen path', dpo],
] as const)('%s: shared steps are as good as a longer prompt', async (_, objective) => {
  const [forked, whole] = [await trained(rows, objective), await trained(prompted, objective)];
  expect(forked.kept).toEqual(whole.kept);
  expect(forked.records).toEqual(whole.records);
  expect(forked.found).toEqual(whole.found);
  expect(forked.found.loss).toBeGreaterThan(0);
});

/** Log-probabilities of a side's tokens after the shared ones, as inference reads the whole path behind the prompt. */
async function logpsAfterFork(policy: Policy, { prompt, shared = [] }: PreferenceExample, side: readonly string[]) {
  const [whole = []] = await policy.logps([{ context: [prompt], completion: [...shared, ...side], ended: true }]);
  const before = shared.flatMap((piece) => tokenizer.encodeContinuation(piece)).length;
  return whole.slice(before).map(Number);
}

const sum = (values: TokenLogps): number => values.reduce<number>((total, value) => total + (value ?? Number.NaN), 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const logOdds = (logp: number): number => logp - Math.log(1 - Math.exp(logp));

test('orpo: the loss is that of the tokens after the fork, in float64', async () => {
  await using policy = await openInProcessPolicy(engine, { model }, { cache });
  const sides = await Promise.all(
    rows.map(async (row) => ({
      chosen: await logpsAfterFork(policy, row, row.chosen),
      rejected: await logpsAfterFork(policy, row, row.rejected ?? []),
    })),
  );
  const nll = -mean(sides.flatMap(({ chosen }) => chosen));
  const odds = sides.map(({ chosen, rejected }) => logOdds(mean(chosen)) - logOdds(mean(rejected)));
  const expected = nll + 0.7 * mean(odds.map((ratio) => Math.log1p(Math.exp(-ratio))));
  const { kept } = tokenise(rows, 'orpo', tokenizer, 512);
  await using gradients = await gradientsOf({ model, objective: orpo });
  const { loss } = await gradients.run([rowEach(kept, Math.max(...kept.map(tokensOf)))]);
  expect(Math.abs(loss / expected - 1)).toBeLessThan(1e-5);
});

test('dpo: the reference is log P of a whole path less that of the steps it shares', async () => {
  await using policy = await openInProcessPolicy(engine, { model }, { cache });
  const { records } = await referenceUnit(rowsToCompare(rows, dpo), { policy, calculatorLoss: true });
  for (const [n, row] of rows.entries()) {
    const { prompt, shared = [], chosen, rejected } = row;
    const whole = [chosen, rejected ?? []].map((side) => ({
      context: [prompt],
      completion: [...shared, ...side],
      ended: true,
    }));
    const [ofChosen = [], ofRejected = [], ofShared = []] = await policy.logps([
      ...whole,
      { context: [prompt], completion: shared },
    ]);
    expect(records[n]?.logps?.chosen).toBeCloseTo(sum(ofChosen) - sum(ofShared), 3);
    expect(records[n]?.logps?.rejected).toBeCloseTo(sum(ofRejected) - sum(ofShared), 3);
  }
});
