// Hand-made paths -> checks of step accuracy, first errors and a scorer's figures.
import { expect, test } from 'vitest';
import { type FigurePath, firstErrorAccuracy, scoreFigures } from './prm-figures.ts';

const path = (scores: readonly number[], labels: readonly boolean[]): FigurePath => ({
  right: labels.every(Boolean),
  scores,
  labels,
  labelTokens: 0,
  truth: null,
  ranks: { scores: 0, tallies: 0, meanLogp: 0, shortness: 0 },
});

test('step accuracy counts a score at the threshold as correct', async () => {
  const figures = await scoreFigures([[path([0.5], [true]), path([0.4], [true])], [path([0.1], [false])], []]);
  expect(figures.stepAccuracy).toMatchObject({ value: 2 / 3, n: 2 });
});

test('the first error is found in its very place, or where neither scores nor labels have one', async () => {
  const errors = [
    { predicted: 1, label: 1 },
    { predicted: 0, label: 1 },
    { predicted: -1, label: 2 },
    { predicted: 3, label: 3 },
    { predicted: -1, label: -1 },
    { predicted: 2, label: -1 },
    { predicted: -1, label: -1 },
  ];
  const found = firstErrorAccuracy(errors);
  expect(found).toMatchObject({ wrong: { part: 2, whole: 4 }, right: { part: 2, whole: 3 } });
  expect(found.f1).toBeCloseTo((2 * 0.5 * (2 / 3)) / (0.5 + 2 / 3), 12);
  expect(firstErrorAccuracy(errors.slice(0, 4)).f1).toBe(null);
  const paths = errors.map(({ predicted, label }) =>
    path(
      [0, 1, 2, 3].map((j) => (predicted >= 0 && j >= predicted ? 0.4 : 0.5)),
      [0, 1, 2, 3].map((j) => j !== label),
    ),
  );
  const figures = await scoreFigures(paths.map((one) => [one]));
  expect(figures.firstErrorAccuracy).toMatchObject({ value: 4 / 7, n: 7 });
  expect(figures.firstErrorF1?.value).toBe(found.f1);
});

/** Questions with one right path and one path that is wrong from its second step. */
function questions(scores: (right: boolean) => readonly number[]): FigurePath[][] {
  return Array.from({ length: 6 }, () =>
    [true, false].map((right) => ({
      right,
      scores: scores(right),
      labels: [true, right, right],
      labelTokens: right ? 10 : 30,
      truth: [true, right, right],
      ranks: { scores: scores(right)[1] ?? 0, tallies: Number(right), meanLogp: 0, shortness: -Number(right) },
    })),
  );
}

test('scores that are the labels have every figure at its best; cheap ranks have their own', async () => {
  const figures = await scoreFigures(questions((right) => [1, Number(right), Number(right)]));
  expect(figures).toMatchObject({ questions: 6, paths: 12, steps: 36, labelTokens: 20, majority: 2 / 3 });
  for (const figure of [figures.stepAccuracy, figures.firstErrorAccuracy, figures.firstErrorF1])
    expect(figure?.value).toBe(1);
  expect(figures.aucOutcome).toMatchObject({
    scores: { value: 1, n: 6 },
    tallies: { value: 1 },
    meanLogp: { value: 0.5 },
    shortness: { value: 0 },
  });
  expect(figures.aucTrue?.scores?.value).toBe(1);
  expect(figures.trueSteps).toMatchObject({ scores: { value: 1 }, labels: { value: 1 } });
  expect(figures.calibration.ece).toBe(0);
});

test('without paths, or where no task knows the truth, there is no figure', async () => {
  expect(await scoreFigures([[], []])).toMatchObject({
    questions: 0,
    labelTokens: null,
    stepAccuracy: null,
    majority: null,
    aucTrue: null,
  });
  const unknown = questions(() => [0.5, 0.5, 0.5]).map((paths) => paths.map((path) => ({ ...path, truth: null })));
  expect(await scoreFigures(unknown)).toMatchObject({
    aucTrue: null,
    trueSteps: null,
    aucOutcome: { scores: { value: 0.5 } },
  });
});
