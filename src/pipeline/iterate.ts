// Questions and a base model -> a policy that learned from its own process feedback.
import { roundsOf } from '../method/methods.ts';
import type { Checkpoint } from '../records.ts';
import type { Loop } from './loop.ts';
import { align } from './stages/align.ts';
import { evaluate } from './stages/evaluate.ts';
import { label } from './stages/label.ts';
import { pair } from './stages/pair.ts';
import { sample } from './stages/sample.ts';
import { score } from './stages/score.ts';
import { trainPrm } from './stages/train-prm.ts';
import { trainProbe } from './stages/train-probe.ts';
import { warmUp } from './stages/warm-up.ts';

/**
 * The paper's algorithm on T rounds. M_0 is the base model after supervised training on the worked solutions D_org. Round k draws N paths a
 * question from M_(k-1), which join D_k; K rollouts from each step of a path give its tallies, the Monte-Carlo labels c_j; R, the process
 * reward model, learns them; r(path), the mean of R's step probabilities, scores all of D_k; every two paths of one question with
 * r(w) - r(l) >= eta are a pair; ORPO with the weight lambda on its odds-ratio term makes M_k of them. Each M_k is evaluated greedily.
 * A stage that the method does without returns at once. The round keeps counts and costs. Returns M_T.
 */
export async function iterate(run: Loop): Promise<Checkpoint> {
  const start = run.round(0, run.base);
  let policy = await warmUp(start);
  await evaluate(start);
  for (let k = 1; k <= roundsOf(run.method, run.config.iterations); k += 1) {
    const round = run.round(k, policy);
    await sample(round);
    await label(round);
    await trainPrm(round);
    await trainProbe(round);
    await score(round);
    await pair(round);
    policy = await align(round);
    await evaluate(round);
  }
  return policy;
}
