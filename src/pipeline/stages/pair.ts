// 5: all (w, l) with r(w) - r(l) >= eta, or that fork at a first bad step; or the rows of SFT.
import { refusedByGate } from '../../method/chosen-gate.ts';
import { type Method, makesPairs } from '../../method/methods.ts';
import { capPairs, chosenRows, pairCounts, pairInputs, pairQuestion, rightRows } from '../../method/pair.ts';
import { pathScores, ruleInputs, stepScoresById } from '../../method/path-score.ts';
import { withRollouts } from '../../method/rollout-paths.ts';
import { shuffleScores } from '../../method/score.ts';
import type { Group, Work } from '../workspace.ts';
import { label } from './label.ts';
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
      method: { feedback: method.feedback, shuffleScores: method.shuffleScores, ...rowsOf(method) },
      samples: await records.hashes('1-samples', k),
      scores: score.needed(work) ? await records.hash('4-scores', k) : null,
    };
  },
  all: async (work) => {
    const { config, records, k, task } = work;
    const right = new Map<string, boolean>();
    const found = [];
    let refusedRight = 0;
    const labels = config.labels.keepRollouts === true && label.needed(work);
    for await (const read of records.groups({ to: k, labels, scores: score.needed(work) })) {
      if (read.samples.length === 0) continue;
      const group = { ...read, samples: withRollouts(read, task) };
      const refused = refusedByGate(config.pairs.chosenGate, task, group);
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
  if (makesPairs(method)) return pairQuestion(item, config.pairs, key);
  const nllRows = score.needed(work) ? chosenRows(item, config.pairs, key) : rightRows(item);
  return { pairs: [], nllRows, eligible: 0 };
}

/** Part of the inputs where scores choose rows and make no pairs. */
function rowsOf(method: Method): { readonly rows?: 'chosen' } {
  return method.feedback === 'none' || makesPairs(method) ? {} : { rows: 'chosen' };
}
