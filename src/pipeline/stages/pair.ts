// 5: all (w, l) of a question with r(w) - r(l) >= eta; for methods without scores, its right samples as NLL-only rows.
import { capPairs, pairCounts, pairQuestion, rightRows } from '../../method/pair.ts';
import { shuffleScores } from '../../method/score.ts';
import { pathScores } from '../../method/step-labels.ts';
import type { Group, Work } from '../workspace.ts';
import { score } from './score.ts';
import { atOnce } from './stage.ts';

export const pair = atOnce({
  writes: '5-pairs',
  settings: ['task', 'score', 'pairs'],
  needed: ({ method }) => method.align !== 'gold',
  inputs: async (work) => {
    const { config, method, data, space, k } = work;
    return {
      data,
      seed: config.seed,
      options: config.pairs,
      path: config.score.path,
      method: { feedback: method.feedback, shuffleScores: method.shuffleScores },
      samples: await space.hashes('1-samples', k),
      scores: score.needed(work) ? await space.hash('4-scores', k) : null,
    };
  },
  all: async (work) => {
    const { config, space, k } = work;
    const right = new Map<string, boolean>();
    const found = [];
    for await (const group of space.groups({ to: k, scores: score.needed(work) })) {
      if (group.samples.length === 0) continue;
      for (const { id, outcome } of group.samples) right.set(id, outcome.kind === 'right');
      found.push(pairsOf(work, group));
    }
    const capped = capPairs(found, config.pairs.total, `${config.seed}/${k}`);
    const records = capped.flatMap(({ pairs, nllRows }) => [...pairs, ...nllRows]);
    return { records, counts: { ...pairCounts(capped, right) } };
  },
  nothing: ({ config, questions }) =>
    `Expected pairs with scores at least ${config.pairs.eta} apart, got none in ${questions.length} questions. Lower --pairs.eta, draw more samples, or see whether --in scores the same samples.`,
});

function pairsOf(work: Work, { question, samples, scores: records }: Group) {
  const { config, method, k } = work;
  const own = pathScores(records, config.score.path);
  const key = `${config.seed}/${k}/${question.id}`;
  const scores = method.shuffleScores ? shuffleScores(own, samples, `shuffle/${key}`) : own;
  const item = { question, samples, scores };
  return score.needed(work)
    ? pairQuestion(item, config.pairs, key)
    : { pairs: [], nllRows: rightRows(item), eligible: 0 };
}
