// 5: all (w, l) of a question with r(w) - r(l) >= eta, or that fork at a first bad step.
import { refusedByGate } from '../../method/exact-checks.ts';
import { capPairs, pairCounts, pairInputs, pairQuestion, rightRows } from '../../method/pair.ts';
import { pathScores, ruleInputs, stepScoresById } from '../../method/path-score.ts';
import { shuffleScores } from '../../method/score.ts';
import type { Group, Work } from '../workspace.ts';
import { score } from './score.ts';
import { atOnce } from './stage.ts';

export const pair = atOnce({
  writes: '5-pairs',
  settings: ['task', 'score', 'pairs'],
  needed: ({ method }) => method.align !== 'gold',
  inputs: async (work) => {
    const { config, method, data, records, k } = work;
    return {
      data,
      seed: config.seed,
      options: pairInputs(config.pairs),
      ...ruleInputs(config.score),
      method: { feedback: method.feedback, shuffleScores: method.shuffleScores },
      samples: await records.hashes('1-samples', k),
      scores: score.needed(work) ? await records.hash('4-scores', k) : null,
    };
  },
  all: async (work) => {
    const { config, records, k } = work;
    const right = new Map<string, boolean>();
    const found = [];
    let refusedRight = 0;
    for await (const group of records.groups({ to: k, scores: score.needed(work) })) {
      if (group.samples.length === 0) continue;
      const refused = refusedByGate(config.pairs.chosenGate, work.task, group);
      for (const { id, outcome } of group.samples) {
        right.set(id, outcome.kind === 'right');
        if (outcome.kind === 'right' && refused.has(id)) refusedRight += 1;
      }
      found.push(pairsOf(work, group, refused));
    }
    const capped = capPairs(found, config.pairs.total, `${config.seed}/${k}`);
    return {
      records: capped.flatMap(({ pairs, nllRows }) => [...pairs, ...nllRows]),
      counts: { ...pairCounts(capped, right, config.pairs), ...(refusedRight === 0 ? {} : { refusedRight }) },
    };
  },
});

function pairsOf(work: Work, { question, samples, scores: records }: Group, refused: ReadonlySet<string>) {
  const { config, method, k } = work;
  const stepScores = stepScoresById(records);
  const own = pathScores(stepScores, config.score, samples);
  const key = `${config.seed}/${k}/${question.id}`;
  const scores = method.shuffleScores ? shuffleScores(own, samples, `shuffle/${key}`) : own;
  const item = { question, samples, scores, stepScores, refused };
  return score.needed(work)
    ? pairQuestion(item, config.pairs, key)
    : { pairs: [], nllRows: rightRows(item), eligible: 0 };
}
