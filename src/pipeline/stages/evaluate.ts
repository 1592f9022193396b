// 7: greedy accuracy of M_k and its difference to M_(k-1), and figures of the PRM.
import { isHeldOut, keyedOrder } from '../../hashing.ts';
import { figurePaths } from '../../method/figure-paths.ts';
import { makesPairs } from '../../method/methods.ts';
import { meanShift, pairLogps, pairShifts } from '../../method/pair-logps.ts';
import { ruleInputs, stepScoresById } from '../../method/path-score.ts';
import { setReports } from '../../method/set-reports.ts';
import type { Checkpoint, PairShift } from '../../records.ts';
import { EvalReport, type ScoreFigures } from '../../reports.ts';
import { type FigurePath, scoreFigures } from '../../statistics/prm-figures.ts';
import { figureWarnings, roundWarnings } from '../../statistics/warnings.ts';
import type { Task } from '../../task.ts';
import { costOf, policyAfter, type Round, roundFlops } from '../loop.ts';
import { stageOf, type Work } from '../workspace.ts';
import { answer, answersHash, answersOf } from './answer.ts';
import { label } from './label.ts';
import { pair } from './pair.ts';
import { score } from './score.ts';
import { labelInputs } from './train-prm.ts';

/** Stages after the scores and pairs that a round's figures rest on; none in round 0. */
function figuresOf(round: Round): { readonly labelled: boolean; readonly scored: boolean; readonly paired: boolean } {
  const did = (stage: typeof label) => round.k > 0 && stage.needed(round);
  return { labelled: did(label), scored: did(score), paired: did(pair) };
}

/** Writes the round's report: 7-eval.json. */
export async function evaluate(round: Round): Promise<void> {
  const { run, config, k, found } = round;
  const sets = await round.openSets(config.evaluate.sets);
  // Once is enough: what is said of the sets holds for every round.
  const ofSets = k === 0 ? sets.flatMap(({ warnings }) => warnings) : [];
  const answers = await answer(round, { stage: stageOf(k, ANSWERS), sets, policy: policyAfter(round) });
  const counts = { ...found.counts, [ANSWERS]: answers };
  const stage = stageOf(k, '7-eval');
  const file = `${stage.name}.json`;
  const moves = hasPairs(round);
  const body = async (): Promise<EvalReport> => {
    const shifts = moves ? await shiftsOf(round) : [];
    const inOrder = [...shifts].sort((a, b) => a.row - b.row);
    if (moves) await run.writeRecords(stage, SHIFTS, inOrder);
    const report = await reportOf(round, counts, ofSets, shifts);
    await run.writeJson(stage, file, report);
    return report;
  };
  const inputs = await inputsOf(round, counts);
  const outputs = moves ? [file, SHIFTS] : [file];
  round.report = await run.once({ stage, inputs, outputs, result: EvalReport, body });
  for (const warning of round.report.warnings) if (!ofSets.includes(warning)) run.warn(warning, stage);
}

const ANSWERS = '7-answers';
/** How the log-probabilities of single pairs moved. */
const SHIFTS = '7-pair-logps.jsonl';

/** Whether the log-probabilities of some pairs are measured. */
function hasPairs(round: Round): boolean {
  const { pairs = 0 } = round.found.counts['5-pairs'] ?? {};
  return figuresOf(round).paired && pairs > 0 && round.config.evaluate.logpPairs > 0;
}

async function inputsOf(round: Round, counts: EvalReport['counts']): Promise<Record<string, unknown>> {
  const { config, records, k, policy } = round;
  const { labelled, scored, paired } = figuresOf(round);
  return {
    answers: await answersHash(round, stageOf(k, ANSWERS)),
    before: k === 0 ? null : await answersHash(round, stageOf(k - 1, ANSWERS)),
    policies: [k === 0 ? null : policy.hash, policyAfter(round).hash],
    pairs: paired ? await records.hash('5-pairs', k) : null,
    scores: scored ? await records.hash('4-scores', k) : null,
    labels: labelled ? await labelInputs(round) : null,
    rule: config.labels,
    ...ruleInputs(config.score),
    logpPairs: config.evaluate.logpPairs,
    counts,
  };
}

async function reportOf(
  round: Round,
  counts: EvalReport['counts'],
  ofSets: readonly string[],
  shifts: readonly PairShift[],
): Promise<EvalReport> {
  const { method, k, found, task } = round;
  const { labelled, scored, paired } = figuresOf(round);
  const scores = labelled && scored ? await heldOutFigures(round) : null;
  const scoresByTask = labelled && scored && task.members ? await figuresByTask(round, task.members) : null;
  const cost = costOf(found);
  const before = k === 0 ? null : answersOf(round, stageOf(k - 1, ANSWERS));
  const report = {
    iteration: k,
    policy: policyAfter(round).hash,
    sets: await setReports(answersOf(round, stageOf(k, ANSWERS)), before),
    scores,
    ...(scoresByTask === null ? {} : { scoresByTask }),
    pairs: paired ? (found.counts['5-pairs'] ?? null) : null,
    logps: meanShift(shifts),
    counts,
    cost: { ...cost, flops: roundFlops(round) },
  };
  const rules = { ownSets: task.members?.length ?? 1, makesPairs: makesPairs(method) };
  const ofRound = roundWarnings(report, rules);
  return { ...report, warnings: [...ofSets, ...ofRound, ...(scores === null ? [] : figureWarnings(scores))] };
}

async function figuresByTask(work: Work, members: readonly Task[]): Promise<Record<string, ScoreFigures>> {
  const figures: Record<string, ScoreFigures> = {};
  for (const { name } of members) figures[name] = await heldOutFigures(work, name);
  return figures;
}

/** Of all questions, or of those of one task of a mixture. */
async function heldOutFigures({ config, task, records, k }: Work, only?: string): Promise<ScoreFigures> {
  const rules = { task, labels: config.labels, score: config.score };
  const groups: FigurePath[][] = [];
  for await (const { scores, ...item } of records.groups({ to: k, labels: true, scores: true })) {
    const { id, task: own } = item.question;
    if (item.samples.length === 0 || !isHeldOut(id, config.labels.heldOut) || (only ?? own) !== own) continue;
    groups.push(figurePaths(item, stepScoresById(scores), rules));
  }
  return scoreFigures(groups);
}

/** Log-probabilities of both sides of some pairs, before and after the round's alignment; in the order in which they were chosen. */
async function shiftsOf(round: Round): Promise<PairShift[]> {
  const { config, store, records, models, k } = round;
  const rows = (await records.pairs(k)).map((pair, row) => ({ pair, row }));
  const pairs = rows.filter(({ pair }) => pair.rejected !== null);
  const order = keyedOrder(pairs, 'logps', ({ pair }) => `${pair.chosen.sampleId} ${pair.rejected?.sampleId}`);
  const some = order.slice(0, config.evaluate.logpPairs);
  const under = async (checkpoint: Checkpoint) => {
    await using policy = await models.openPolicy(checkpoint);
    return await pairLogps(
      policy,
      some.map(({ pair }) => pair),
      { ...round, signal: store.signal },
    );
  };
  const [before, after] = [await under(round.policy), await under(policyAfter(round))];
  return pairShifts(
    some.map(({ row }) => row),
    before,
    after,
  );
}
