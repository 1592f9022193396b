// A run with calculator annotations -> how its samples fail, and what the PRM's scores see of it.
//   npm run -s sipf -- --version && node experiments/gsm8k-smollm2/look.mjs runs/gsm8k        (the first command builds dist)

import { readRun } from '../../dist/pipeline/run-reader.js';
import { createRandom } from '../../dist/random.js';
import { withinGroupAuc } from '../../dist/statistics/auc.js';
import { checkEquations } from '../../dist/tasks/math/equations.js';

const mean = (values) => (values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length);
const KINDS = ['no equation', 'all true', 'some false'];

function kindOf(text) {
  const known = checkEquations(text).filter(({ holds }) => holds !== null);
  return known.length === 0 ? KINDS[0] : known.every(({ holds }) => holds) ? KINDS[1] : KINDS[2];
}

function tally() {
  return Object.fromEntries(KINDS.map((kind) => [kind, []]));
}

const run = await readRun(process.argv[2]);
for (const { iteration } of run.rounds.slice(1)) {
  const paths = { right: tally(), wrong: tally() };
  const steps = tally();
  const groups = [];
  for (const id of await run.questionIds(iteration)) {
    const view = await run.question(iteration, id);
    const own = view.paths.filter(({ sample }) => sample.iteration === iteration && sample.source === 'policy');
    for (const { sample, scores } of own) {
      const outcome = sample.outcome.kind === 'right' ? 'right' : 'wrong';
      paths[outcome][kindOf(sample.steps.join('\n'))].push(scores === null ? null : mean(scores.scores));
      if (scores !== null) for (const [j, step] of sample.steps.entries()) steps[kindOf(step)].push(scores.scores[j]);
    }
    groups.push(own.filter(({ scores }) => scores !== null));
  }
  const scored = (values) => values.filter((value) => value !== null);
  const auc = (value) =>
    withinGroupAuc(
      groups.map((own) => own.map((path) => ({ score: value(path), positive: path.sample.outcome.kind === 'right' }))),
      { random: createRandom('look') },
    );
  console.log(
    JSON.stringify(
      {
        iteration,
        samples: Object.fromEntries(
          Object.entries(paths).map(([outcome, kinds]) => [
            outcome,
            Object.fromEntries(Object.entries(kinds).map(([kind, values]) => [kind, values.length])),
          ]),
        ),
        meanPathScore: Object.fromEntries(
          Object.entries(paths).map(([outcome, kinds]) => [outcome, mean(scored(Object.values(kinds).flat()))]),
        ),
        meanStepScore: Object.fromEntries(
          Object.entries(steps).map(([kind, values]) => [kind, { steps: values.length, score: mean(values) }]),
        ),
        withinQuestionAuc: {
          scores: auc(({ scores }) => mean(scores.scores)),
          meanLogp: auc(({ sample }) => sample.sumLogp / sample.tokens),
          shortness: auc(({ sample }) => -sample.tokens),
        },
      },
      null,
      1,
    ),
  );
}
