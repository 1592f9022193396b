// Step labels with shortcuts -> the hard labels of every rollout of every step, for fewer rollouts.
import { describe, expect, it } from 'vitest';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { labelUnit } from '../../src/method/label.ts';
import { LabelOptions } from '../../src/method/label-options.ts';
import { hardLabels, softLabels } from '../../src/method/step-labels.ts';
import { expectedRollouts } from '../../src/pipeline/round-costs.ts';
import { createRandom } from '../../src/random.ts';
import type { Question, Sample, StepLabels } from '../../src/records.ts';
import { sumsTask } from '../scripted-sums.ts';
import { sized } from '../tier.ts';

/** Questions whose paths share prefixes: each step is one of two texts. A rollout is right with chance `p`, by its key alone. */
function randomCase(name: string, questions: number): { question: Question; samples: Sample[] }[] {
  const random = createRandom(name);
  return Array.from({ length: questions }, (_, q) => {
    const question: Question = { id: `${name}-${q}`, task: 'sums', question: `${q}`, answer: '1' };
    const texts = new Set(
      Array.from({ length: 6 }, () => {
        const steps = Array.from({ length: random.int(1, 6) }, (_, i) => `step ${i} ${random.pick(['a', 'b'])}`);
        return JSON.stringify([...steps, `end\nThe answer is ${random.int(0, 1)}`]);
      }),
    );
    const samples = [...texts].map((text, index): Sample => {
      const steps = JSON.parse(text) as string[];
      const outcome =
        steps.at(-1)?.endsWith('1') === true
          ? ({ kind: 'right' } as const)
          : ({ kind: 'wrong', reason: 'other-answer' } as const);
      return {
        id: `${question.id}/1/${index}`,
        questionId: question.id,
        source: 'policy',
        iteration: 1,
        index,
        policy: null,
        steps,
        finishReason: 'stop',
        tokens: 1,
        sumLogp: null,
        extracted: null,
        outcome,
      };
    });
    return { question, samples };
  });
}

async function labelled(
  p: number,
  items: ReturnType<typeof randomCase>,
  change: Partial<LabelOptions>,
  slots = 8,
  contextLength?: number,
) {
  const write = ({ random }: { random: { next(): number; int(lo: number, hi: number): number } }) => {
    const right = random.next() < p;
    return `${'x'.repeat(random.int(0, 9))}\nThe answer is ${right ? 1 : 0}`;
  };
  await using simulator = await createScriptedBackend({ write, slots }).openPolicy({ model: 'simulator' });
  if (contextLength !== undefined) Object.assign(simulator, { contextLength });
  const options = LabelOptions.parse({ K: 8, lookahead: 1, ...change });
  const { records, counts } = await labelUnit(items, {
    simulator,
    task: sumsTask,
    prompt: ({ question }) => `Q: ${question}\n`,
    options,
    seed: 7,
    iteration: 1,
  });
  return { records, counts, labels: records.map((record) => hardLabels(record, options)) };
}

it('a path that leaves the simulator no room stays without labels and is counted; the others keep theirs', async () => {
  const items = randomCase('long', 40);
  const [whole, cut] = [await labelled(0.3, items, {}), await labelled(0.3, items, {}, 8, 40)];
  expect(cut.counts.pathsTooLong).toBeGreaterThan(0);
  expect(cut.counts.pathsUnlabelled).toBe(cut.counts.pathsTooLong);
  expect(cut.records.length).toBe(whole.records.length - (cut.counts.pathsTooLong ?? 0));
  const kept = new Set(cut.records.map(({ sampleId }) => sampleId));
  // Shared prefixes are paid for by the first path that needs them: another one where that is left out.
  const facts = cut.records.map(({ rolloutTokens: _, ...rest }) => rest);
  const others = whole.records.filter(({ sampleId }) => kept.has(sampleId));
  expect(facts).toEqual(others.map(({ rolloutTokens: _, ...rest }) => rest));
});

const RATES = [0.02, 0.1, 0.3, 0.5, 0.9];

describe.each(RATES)('labels at p = %d', (p) => {
  const items = randomCase(`case-${p}`, sized(16, 40));

  it.each([
    { closure: 'monotone', delta: 0 },
    { closure: 'none', delta: 0 },
    { closure: 'monotone', delta: 2 },
    { closure: 'none', delta: 1 },
  ] as const)('the scan gives the reference labels: %o', async (rule) => {
    const reference = await labelled(p, items, { ...rule, mode: 'full' });
    const scan = await labelled(p, items, { ...rule, mode: 'first-success' });
    expect(scan.labels).toEqual(reference.labels);
    expect(scan.records.map(({ sampleId }) => sampleId)).toEqual(reference.records.map(({ sampleId }) => sampleId));
    expect(scan.counts.rollouts).toBeLessThanOrEqual(reference.counts.rollouts ?? 0);
  });

  it('does not depend on how many rollouts run at once, nor on the other questions of the unit', async () => {
    const whole = await labelled(p, items, {}, 8);
    const one = await labelled(p, items, {}, 1);
    expect(one.records).toEqual(whole.records);
    const alone = await labelled(p, items.slice(3, 4), {});
    expect(alone.records).toEqual(whole.records.filter(({ questionId }) => questionId === items[3]?.question.id));
  });

  it.each([
    { closure: 'monotone', delta: 0 },
    { closure: 'none', delta: 2 },
  ] as const)('with rollouts asked for ahead: the same records, for some rollouts in vain: %o', async (rule) => {
    const plain = await labelled(p, items, rule);
    expect(plain.counts.rolloutsInVain).toBeUndefined();
    let vain = 0;
    for (const [lookahead, slots] of [
      [8, 8],
      [64, 64],
      [1000, 3],
      [65_536, 512],
    ] as const) {
      const { records, counts } = await labelled(p, items, { ...rule, lookahead }, slots);
      expect(records).toEqual(plain.records);
      const { rolloutsInVain = 0, tokensInVain = 0, rollouts = 0, generatedTokens = 0 } = counts;
      expect(rollouts - rolloutsInVain).toBe(plain.counts.rollouts);
      expect(generatedTokens - tokensInVain).toBe(plain.counts.generatedTokens);
      vain += rolloutsInVain;
    }
    if (p > 0.02) expect(vain).toBeGreaterThan(0);
    expect(plain.records.reduce((sum, { rolloutTokens }) => sum + rolloutTokens, 0)).toBe(plain.counts.generatedTokens);
  });

  it('gives complete tallies in full mode, equal for equal prefixes', async () => {
    const { records, counts } = await labelled(p, items, { mode: 'full' });
    const byPrefix = new Map<string, string>();
    for (const [index, record] of records.entries()) {
      const sample = items.flatMap(({ samples }) => samples)[index];
      expect(softLabels(record)).toHaveLength(sample?.steps.length ?? -1);
      for (const [j, tally] of record.steps.slice(0, -1).entries()) {
        expect(tally.run).toBe(8);
        const prefix = `${record.questionId} ${sample?.steps.slice(0, j + 1).join('|')}`;
        expect(byPrefix.get(prefix) ?? JSON.stringify(tally)).toBe(JSON.stringify(tally));
        byPrefix.set(prefix, JSON.stringify(tally));
      }
    }
    // Each distinct prefix was rolled out once.
    expect(counts.rollouts).toBe(8 * byPrefix.size);
    expect(records.reduce((sum, { rolloutTokens }) => sum + rolloutTokens, 0)).toBe(counts.generatedTokens);
  });
});

describe('expected rollouts of a labelled step at K = 8', () => {
  it.each([
    [0.5, 2.0],
    [0.3, 3.1],
    [0.1, 5.7],
  ])('p = %d: %d', async (p, expected) => {
    expect(expectedRollouts(p, 8)).toBeCloseTo(expected, 1);
    // One path a question, so that no prefix is shared.
    const items = randomCase(`rate-${p}`, sized(1000, 2500)).map(({ question, samples }) => ({
      question,
      samples: samples.slice(0, 1),
    }));
    const { counts } = await labelled(p, items, {});
    const perStep = (counts.rollouts ?? 0) / (counts.stepsRolledOut ?? 1);
    console.log(
      `p = ${p}: ${perStep.toFixed(2)} rollouts a step that was rolled out (expected ${expectedRollouts(p, 8).toFixed(2)}), ${((counts.rollouts ?? 0) / ((counts.stepsRolledOut ?? 0) + (counts.stepsImplied ?? 0))).toFixed(2)} a labelled step`,
    );
    expect(Math.abs(perStep - expected)).toBeLessThan(0.2);
  });
});

describe('the path itself is no rollout', () => {
  it('rolls out the steps of right paths unless ownWitness says otherwise', async () => {
    const items = randomCase('witness', 30);
    const right = items
      .flatMap(({ samples }) => samples)
      .filter(({ outcome }) => outcome.kind === 'right')
      .map(({ id }) => id);
    const own = (records: readonly StepLabels[]) => records.filter(({ sampleId }) => right.includes(sampleId));
    const exact = await labelled(0.05, items, {});
    expect(own(exact.records).some((record) => hardLabels(record, LabelOptions.parse({})).includes(false))).toBe(true);
    const witness = await labelled(0.05, items, { ownWitness: true });
    for (const record of own(witness.records)) {
      expect(
        record.steps.slice(0, -1).every(({ run, impliedBy }) => run === 0 && impliedBy === record.steps.length - 1),
      ).toBe(true);
      expect(hardLabels(record, LabelOptions.parse({ ownWitness: true })).every(Boolean)).toBe(true);
    }
  });

  it('keeps the last step as the outcome', async () => {
    const { records } = await labelled(0.5, randomCase('last', 20), {});
    for (const record of records) {
      expect(record.steps.at(-1)).toEqual({
        correct: record.outcomeRight ? 1 : 0,
        run: 0,
        stop: 'full',
        impliedBy: null,
      });
      expect(hardLabels(record, LabelOptions.parse({})).at(-1)).toBe(record.outcomeRight);
    }
  });
});

describe('rollouts that cannot be graded', () => {
  it('are replaced by the next index, in scan and reference alike, and a path without enough is left out', async () => {
    const items = randomCase('errors', 20);
    const failing = (share: number) => ({
      ...sumsTask,
      grade: (question: Question, text: string, reason: 'stop' | 'length') => {
        const fails = createRandom(`fail ${text.slice(text.lastIndexOf('b') + 1)} ${text.length}`).next() < share;
        return fails
          ? { extracted: null, outcome: { kind: 'error', reason: 'outage' } as const }
          : sumsTask.grade(question, text, reason);
      },
    });
    const run = async (share: number, mode: LabelOptions['mode'], lookahead = 1) => {
      const write = ({ random }: { random: { next(): number } }) =>
        `${'y'.repeat(Math.floor(random.next() * 40))}\nThe answer is ${random.next() < 0.2 ? 1 : 0}`;
      await using simulator = await createScriptedBackend({ write }).openPolicy({ model: 'simulator' });
      const options = LabelOptions.parse({ K: 4, mode, gradeRetries: 1, lookahead });
      return await labelUnit(items, {
        simulator,
        task: failing(share),
        prompt: () => 'Q',
        options,
        seed: 1,
        iteration: 1,
      });
    };
    const [full, scan] = [await run(0.2, 'full'), await run(0.2, 'first-success')];
    const label = ({ records }: typeof full) =>
      new Map(records.map((record) => [record.sampleId, hardLabels(record, LabelOptions.parse({}))]));
    const reference = label(full);
    expect(full.counts.rolloutErrors).toBeGreaterThan(0);
    let compared = 0;
    for (const [id, labels] of label(scan)) {
      if (!reference.has(id)) continue;
      expect(labels).toEqual(reference.get(id));
      compared += 1;
    }
    expect(compared).toBeGreaterThan(20);
    expect((await run(0.2, 'first-success', 1000)).records).toEqual(scan.records);
    const dead = await run(1, 'first-success');
    expect(dead.records.filter(({ steps }) => steps.length > 1)).toEqual([]);
    expect(dead.counts.pathsUnlabelled).toBeGreaterThan(0);
  });
});
