// Process reward model: binary cross-entropy between P(step correct), read at each step's last token, and a hard or soft target.
import { mul, reduceSum, softplus, sub } from '../../engine/build.ts';
import { rowsAt } from '../../models/architectures/architecture.ts';
import { stepLogOdds } from '../../models/architectures/prm-head.ts';
import { int64 } from '../../models/pass-inputs.ts';
import type { Pass } from '../batches.ts';
import { branchIndex } from '../pass.ts';
import { type Loss, ratio, vector } from './objective.ts';

/** Mean over the optimizer step's labelled steps of softplus(z) - c z, which is -c log σ(z) - (1 - c) log(1 - σ(z)). */
export function prmLoss(): Loss {
  const ends = ({ placements, seq }: Pass) =>
    placements.flatMap((placement) =>
      placement.example.stepEnds.map(({ at, target }) => ({ row: branchIndex(placement, seq, at), target })),
    );
  const count = (passes: readonly Pass[]): number => passes.reduce((sum, pass) => sum + ends(pass).length, 0);
  return {
    inOrder: false,
    positions: ({ stepEnds }) => stepEnds.length,
    build({ graph, parameters, hidden }) {
      const rows = rowsAt(hidden, graph.input('rows', 'int64', ['n']));
      const labels = graph.input('labels', 'float32', ['n']);
      const weights = graph.input('weights', 'float32', ['n']);
      const logOdds = stepLogOdds(parameters, rows);
      const losses = sub(softplus(logOdds), mul(labels, logOdds));
      return { loss: reduceSum(mul(losses, weights)), perPosition: logOdds };
    },
    feeds({ pass, step }) {
      const all = ends(pass);
      return {
        rows: vector(int64(all.map(({ row }) => row))),
        labels: vector(Float32Array.from(all, ({ target }) => target)),
        weights: vector(new Float32Array(all.length).fill(ratio(1, count(step)))),
      };
    },
    observe({ pass }, logOdds) {
      const all = ends(pass);
      const right = all.filter(({ target }, n) => target > 0.5 === (logOdds[n] as number) > 0).length;
      return { steps: all.length, right, targets: all.reduce((sum, { target }) => sum + target, 0) };
    },
    report: ({ steps = 0, right = 0, targets = 0 }) => ({
      steps,
      accuracy: ratio(right, steps),
      correctShare: ratio(targets, steps),
    }),
  };
}
