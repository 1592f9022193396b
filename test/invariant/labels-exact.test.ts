// Labels with exact checks, and by likelihood -> what a slow and obvious reading of the same says.
import { expect, it } from 'vitest';
import type { LogpsItem, Policy } from '../../src/backend.ts';
import { createScriptedBackend, type WriteArgs } from '../../src/backends/scripted.ts';
import { labelUnit } from '../../src/method/label.ts';
import { LabelOptions } from '../../src/method/label-options.ts';
import { hardLabels, type LabelRule, softLabels } from '../../src/method/step-labels.ts';
import { createRandom } from '../../src/random.ts';
import type { Question, Sample, StepLabels } from '../../src/records.ts';
import { sumsTask } from '../scripted-sums.ts';

/** Questions whose paths share prefixes: a step is a true or a false equation, or none. */
function checkedCase(name: string, questions: number): { question: Question; samples: Sample[] }[] {
  const random = createRandom(name);
  const lines = ['1+1=2', '1+1=2', '2+2=4', '1+1=3', 'so far'];
  return Array.from({ length: questions }, (_, q) => {
    const question: Question = { id: `${name}-${q}`, task: 'sums', question: `${q}`, answer: '1' };
    const paths = Array.from({ length: 6 }, () => {
      const steps = Array.from({ length: random.int(1, 5) }, () => random.pick(lines));
      return [...steps, `${random.pick(lines)}\nThe answer is ${random.int(0, 1)}`];
    });
    return { question, samples: paths.map((steps, index) => sampleOf(question, steps, index)) };
  });
}

function sampleOf({ id: questionId }: Question, steps: string[], index: number): Sample {
  const isRight = steps.at(-1)!.endsWith('1');
  const outcome = isRight ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'other-answer' } as const);
  const given = { source: 'policy', iteration: 1, policy: null, finishReason: 'stop', tokens: 1 } as const;
  const id = `${questionId}/1/${index}`;
  return { id, questionId, ...given, index, steps, sumLogp: null, extracted: null, outcome };
}

const items = checkedCase('exact', 40);
const samples = items.flatMap((item) => item.samples);

function openSimulator(log: string[] = []): Promise<Policy> {
  const write = ({ random, prefix }: WriteArgs) => {
    log.push(prefix);
    return `The answer is ${random.next() < 0.3 ? 1 : 0}`;
  };
  return createScriptedBackend({ write, slots: 8 }).openPolicy({ model: 'simulator' });
}

async function labelled(change: Partial<LabelOptions>, simulator: Policy) {
  const options = LabelOptions.parse({ K: 4, lookahead: 1, ...change });
  const prompt = ({ question }: { readonly question: string }) => `Q: ${question}\n`;
  return await labelUnit(items, { simulator, task: sumsTask, prompt, options, seed: 7, iteration: 1 });
}

/** By step: it or one before it has a false equation. */
function isSpoiled(steps: readonly string[], j: number): boolean {
  return steps.slice(0, j + 1).some((step) => step.startsWith('1+1=3'));
}

/** Complete tallies without checks, spoiled steps made wrong, then the closure over what is left. */
function slowLabels(record: StepLabels, steps: readonly string[], rule: LabelRule): boolean[] {
  const own = hardLabels(record, { ...rule, closure: 'none', ownWitness: false });
  const checked = own.map((label, j) => label && !isSpoiled(steps, j));
  if (rule.ownWitness && record.outcomeRight) return steps.map((_, j) => !isSpoiled(steps, j));
  if (rule.closure === 'none') return checked;
  return checked.map((label, j) => (j === steps.length - 1 ? label : checked.slice(j, -1).includes(true)));
}

it.each([
  { closure: 'monotone', ownWitness: false, mode: 'first-success' },
  { closure: 'monotone', ownWitness: false, mode: 'full' },
  { closure: 'none', ownWitness: false, mode: 'first-success' },
  { closure: 'monotone', ownWitness: true, mode: 'first-success' },
] as const)('a false equation makes its step and all later ones wrong, without rollouts: %o', async (rule) => {
  await using reference = await openSimulator();
  const { records: full, counts: cost } = await labelled({ mode: 'full' }, reference);
  const log: string[] = [];
  await using simulator = await openSimulator(log);
  const { records, counts } = await labelled({ ...rule, exactChecks: true }, simulator);
  expect(records).toHaveLength(samples.length);
  const given = { delta: 0, ...rule };
  for (const [i, record] of records.entries()) {
    const { steps } = samples[i]!;
    expect(hardLabels(record, given)).toEqual(slowLabels(full[i]!, steps, given));
    expect(record.steps.map(({ settledBy }) => settledBy !== undefined)).toEqual(
      steps.map((_, j) => isSpoiled(steps, j)),
    );
  }
  expect(log.filter((prefix) => prefix.includes('1+1=3'))).toEqual([]);
  const settled = samples.flatMap(({ steps }) => steps.slice(0, -1).filter((_, j) => isSpoiled(steps, j)));
  expect(counts.stepsSettled).toBe(settled.length);
  expect(cost).not.toHaveProperty('stepsSettled');
  // Complete tallies cost K for each prefix: what is saved is exact there.
  if (rule.mode === 'full') expect(cost.rollouts! - counts.rollouts!).toBe(counts.rolloutsSaved);
});

it('complete tallies with settled steps are soft labels, 0 where they are settled', async () => {
  await using simulator = await openSimulator();
  const { records } = await labelled({ mode: 'full', exactChecks: true }, simulator);
  for (const [i, record] of records.entries()) {
    const { steps } = samples[i]!;
    const soft = softLabels(record);
    expect(soft).toHaveLength(steps.length);
    for (const [j, label] of soft.entries()) if (isSpoiled(steps, j)) expect(label).toBe(0);
  }
});

it('by likelihood: the mean log-probability of the answer alone behind each prefix, which is read once', async () => {
  await using simulator = await openSimulator();
  const asked: LogpsItem[] = [];
  const logps = (some: readonly LogpsItem[]) => {
    asked.push(...some);
    return simulator.logps(some);
  };
  const watching = watched(simulator, { logps });
  const { records, counts } = await labelled({ mode: 'gold-likelihood', exactChecks: true }, watching);
  expect(new Set(asked.map((item) => JSON.stringify(item))).size).toBe(asked.length);
  expect(counts.stepsRead).toBe(asked.length);
  expect(counts.scoredTokens).toBe(records.reduce((sum, { rolloutTokens }) => sum + rolloutTokens, 0));
  for (const [i, record] of records.entries()) {
    const { steps, questionId } = samples[i]!;
    const { question } = items.find((item) => item.question.id === questionId)!;
    const before = sumsTask.pieces(steps).slice(0, -1);
    for (const [n, logp] of record.answerLogps!.entries()) {
      const context = [`Q: ${question.question}\n`, ...before.slice(0, n)];
      const [line = []] = await simulator.logps([{ context, completion: 'The answer is 1' }]);
      const answer = line.slice('The answer is'.length);
      expect(logp).toBeCloseTo(answer.reduce<number>((sum, one) => sum + (one ?? Number.NaN), 0) / answer.length, 12);
    }
    expect(record.answerLogps).toHaveLength(steps.length);
    const soft = steps.map((_, j) =>
      isSpoiled(steps, j)
        ? 0
        : j === steps.length - 1
          ? Number(record.outcomeRight)
          : Math.exp(record.answerLogps![j + 1]!),
    );
    expect(softLabels(record)).toEqual(soft);
  }
});

/** `policy` with other methods in place of some of its own. */
function watched(policy: Policy, own: Partial<Policy>): Policy {
  const { countTokens } = policy;
  return Object.assign(Object.create(policy), { countTokens: countTokens.bind(policy), ...own });
}

it('a path that leaves no room for the line of the answer has no labels, and its neighbours keep theirs', async () => {
  await using simulator = await openSimulator();
  const whole = await labelled({ mode: 'gold-likelihood' }, simulator);
  Object.assign(simulator, { contextLength: 46 });
  const cut = await labelled({ mode: 'gold-likelihood' }, simulator);
  expect(cut.counts.pathsTooLong).toBeGreaterThan(0);
  expect(cut.counts.pathsUnlabelled).toBe(cut.counts.pathsTooLong);
  expect(cut.records).toHaveLength(whole.records.length - cut.counts.pathsTooLong!);
  const facts = ({ sampleId, answerLogps }: StepLabels) => ({ sampleId, answerLogps });
  const kept = new Set(cut.records.map(({ sampleId }) => sampleId));
  expect(cut.records.map(facts)).toEqual(whole.records.filter(({ sampleId }) => kept.has(sampleId)).map(facts));
});
