// SAPO's two verified positions -> which rollouts are asked for, and which labels come of them.
import { describe, expect, it } from 'vitest';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { labelUnit } from '../../src/method/label.ts';
import { LabelOptions } from '../../src/method/label-options.ts';
import { withRollouts } from '../../src/method/rollout-paths.ts';
import { hardLabels } from '../../src/method/step-labels.ts';
import { proposedError } from '../../src/method/verify-labels.ts';
import { createRandom, type Random } from '../../src/random.ts';
import type { Question, Sample, StepLabels } from '../../src/records.ts';
import { sumsTask } from '../scripted-sums.ts';

const prompt = ({ question }: { readonly question: string }) => `Q: ${question}\n`;

/** Paths of 1 to 6 steps; a step is `good` or `bad`. */
function pathsOf(name: string, questions: number): { question: Question; samples: Sample[] }[] {
  const random = createRandom(name);
  return Array.from({ length: questions }, (_, q) => {
    const question: Question = { id: `${name}-${q}`, task: 'sums', question: `${q}`, answer: '1' };
    const samples = Array.from({ length: 4 }, (_unused, index) => pathOf(question, index, random));
    return { question, samples };
  });
}

function pathOf({ id: questionId }: Question, index: number, random: Random): Sample {
  const steps = Array.from(
    { length: random.int(1, 6) },
    (_, i) => `${questionId} ${index} step ${i} ${random.pick(['good', 'bad'])}`,
  );
  const answer = random.int(0, 1);
  return {
    id: `${questionId}/1/${index}`,
    questionId,
    source: 'policy',
    iteration: 1,
    index,
    policy: null,
    steps: [...steps.slice(0, -1), `${steps.at(-1)}\nThe answer is ${answer}`],
    finishReason: 'stop',
    tokens: 1,
    sumLogp: null,
    extracted: String(answer),
    outcome: answer === 1 ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
  };
}

type Scores = (steps: readonly string[]) => number[];

/** A rollout is right with chance `p`, less after a bad step. `asked`: the prefixes that were rolled out. */
async function labelled(items: ReturnType<typeof pathsOf>, change: Partial<LabelOptions>, scores?: Scores, slots = 8) {
  const asked: string[] = [];
  const write = ({ prefix, random }: { prefix: string; random: Random }) => {
    asked.push(prefix);
    const right = random.next() < (prefix.includes('bad') ? 0.05 : 0.5);
    return `rest ${random.int(0, 99)}\nThe answer is ${right ? 1 : 0}`;
  };
  const backend = createScriptedBackend({ write, slots, score: ({ steps }) => scores?.(steps) ?? [] });
  await using simulator = await backend.openPolicy({ model: 'simulator' });
  await using prm = await backend.openPrm({ model: 'prm' });
  const options = LabelOptions.parse({ K: 4, lookahead: 1, ...change });
  const { records, counts } = await labelUnit(items, {
    simulator,
    ...(scores === undefined ? {} : { prm }),
    task: sumsTask,
    prompt,
    options,
    seed: 7,
    iteration: 1,
  });
  return { records, counts, asked, labels: new Map(records.map((one) => [one.sampleId, hardLabels(one, options)])) };
}

/** Scores that drop most at the first bad step; the last one where all are good. */
const dropAtBad: Scores = (steps) => {
  const bad = steps.findIndex((step, i) => i > 0 && step.includes('bad'));
  const at = bad === -1 ? steps.length - 1 : bad;
  return steps.map((_, i) => (i < at ? 0.9 : 0.2));
};

describe('proposedError', () => {
  it.each([
    [[0.9, 0.8, 0.2, 0.1], 2],
    [[0.1, 0.5, 0.4], 2],
    [[0.5, 0.5, 0.5], 1],
    [[0.9, 0.3, 0.9, 0.3], 1],
    [[0.4], null],
    [[], null],
  ] as const)('of %j is %s', (scores, step) => {
    expect(proposedError(scores)).toBe(step);
  });

  it('is the place that looking at every step finds', () => {
    const random = createRandom('drops');
    for (let i = 0; i < 200; i += 1) {
      const scores = Array.from({ length: random.int(2, 7) }, () => random.int(0, 5) / 5);
      let [best, drop] = [0, Number.NEGATIVE_INFINITY];
      for (let j = 1; j < scores.length; j += 1) {
        if (scores[j - 1]! - scores[j]! > drop) [best, drop] = [j, scores[j - 1]! - scores[j]!];
      }
      expect(proposedError(scores)).toBe(best);
    }
  });
});

describe('labels.mode verify', () => {
  const items = pathsOf('verify', 60);
  const all = items.flatMap(({ samples }) => samples);

  it('rolls out the proposed step, then the one before it, and no other', async () => {
    const { records, asked, counts } = await labelled(items, { mode: 'verify' }, dropAtBad);
    const wanted = new Map<string, number>();
    for (const sample of all) {
      const steps = sumsTask.pieces(sample.steps);
      const record = records.find(({ sampleId }) => sampleId === sample.id);
      const proposed = proposedError(dropAtBad(sample.steps));
      const verified = proposed === null ? [] : [proposed, proposed - 1].filter((j) => j < steps.length - 1);
      for (const [j, tally] of (record?.steps ?? []).slice(0, -1).entries()) {
        const isNeeded = j === verified[0] || (verified.includes(j) && record?.steps[verified[0] ?? 0]?.correct === 0);
        expect(tally.run > 0).toBe(isNeeded);
        wanted.set(steps.slice(0, j + 1).join(''), tally.run);
      }
    }
    const seen = new Map<string, number>();
    for (const prefix of asked) seen.set(prefix, (seen.get(prefix) ?? 0) + 1);
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries([...wanted].filter(([, run]) => run > 0)));
    expect(counts.scoredTokens).toBeGreaterThan(0);
    const scan = await labelled(items, { mode: 'first-success' });
    expect(asked.length).toBeLessThan(0.7 * scan.asked.length);
  });

  it('finds the tallies of the reference where it looks, and its labels where the proposal is the first error', async () => {
    const reference = await labelled(items, { mode: 'full' });
    const firstError = (sample: Sample) => reference.labels.get(sample.id)?.indexOf(false) ?? -1;
    const byText = new Map(all.map((sample) => [sumsTask.pieces(sample.steps).join('').trimEnd(), sample]));
    const oracle: Scores = (steps) => {
      const at = firstError(byText.get(steps.join('').trimEnd())!);
      return steps.map((_, i) => (at === -1 || i < at ? 0.9 : 0.2));
    };
    const { records, labels } = await labelled(items, { mode: 'verify' }, oracle);
    let compared = 0;
    for (const sample of all) {
      const own = records.find(({ sampleId }) => sampleId === sample.id)!;
      const whole = reference.records.find(({ sampleId }) => sampleId === sample.id)!;
      for (const [j, { run, correct }] of own.steps.entries())
        if (run > 0) expect(correct > 0).toBe((whole.steps[j]?.correct ?? 0) > 0);
      const hard = reference.labels.get(sample.id)!;
      const at = firstError(sample);
      // A first step that is wrong is found through the second; later right rollouts do not occur after it.
      if (sample.outcome.kind === 'right' || at === -1) continue;
      compared += 1;
      expect(labels.get(sample.id)).toEqual(hard);
    }
    expect(compared).toBeGreaterThan(50);
  });

  it('takes the steps before as correct, and those after by the proposed one and the answer', async () => {
    const { records } = await labelled(items, { mode: 'verify' }, dropAtBad);
    for (const { sampleId, steps, outcomeRight } of records) {
      const sample = all.find(({ id }) => id === sampleId)!;
      const proposed = proposedError(dropAtBad(sample.steps)) ?? 0;
      const verified = steps[proposed]?.run ? (steps[proposed]?.correct ?? 0) > 0 : false;
      for (const [j, { assumed }] of steps.entries())
        if (assumed !== undefined) expect(assumed).toBe(j < proposed || (verified && outcomeRight));
    }
  });

  it('scans every step without a process reward model', async () => {
    const [none, scan] = [await labelled(items, { mode: 'verify' }), await labelled(items, { mode: 'first-success' })];
    expect(none.records).toEqual(scan.records);
  });
});

describe('labels.keepRollouts', () => {
  const items = pathsOf('kept', 20);
  const facts = (records: readonly StepLabels[]) => records.map(({ rollouts: _, ...rest }) => rest);

  it('keeps every rollout that a label rests on, as a graded path', async () => {
    const plain = await labelled(items, {});
    const { records, asked } = await labelled(items, { keepRollouts: true });
    expect(facts(records)).toEqual(plain.records);
    const kept = records.flatMap(({ rollouts = [] }) => rollouts);
    expect(kept).toHaveLength(asked.length);
    expect(new Set(kept.map(({ id }) => id)).size).toBe(kept.length);
    for (const { steps, outcome, source } of kept) {
      const graded = await sumsTask.grade({ id: '', task: '', question: '', answer: '1' }, steps.join('\n'), 'stop');
      expect([source, outcome.kind]).toEqual(['rollout', graded.outcome.kind]);
      expect(asked.some((prefix) => sumsTask.pieces(steps).join('').startsWith(prefix))).toBe(true);
    }
  });

  it('keeps the same ones whatever runs at once', async () => {
    const one = await labelled(items, { keepRollouts: true }, undefined, 1);
    const ahead = await labelled(items, { keepRollouts: true, lookahead: 64 }, undefined, 16);
    expect(ahead.records).toEqual(one.records);
  });

  it('adds paths that differ from the samples and from each other', async () => {
    const { records } = await labelled(items, { keepRollouts: true });
    for (const { question, samples } of items) {
      const labels = records.filter(({ questionId }) => questionId === question.id);
      const paths = withRollouts({ question, samples, labels }, sumsTask);
      expect(paths.slice(0, samples.length)).toEqual(samples);
      const added = paths.slice(samples.length).map(({ steps, outcome }) => `${outcome.kind} ${steps.join('|')}`);
      const own = samples.map(({ steps, outcome }) => `${outcome.kind} ${steps.join('|')}`);
      expect(new Set([...added, ...own]).size).toBe(added.length + new Set(own).size);
      expect(added.length).toBeGreaterThan(0);
    }
  });
});
