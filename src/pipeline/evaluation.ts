// The loop's stage 7 on a run directory, each round and once at the end. Leaves the figures to evaluate.ts and prm-figures.ts.
import { canonicalJson, isHeldOut, keyedOrder, sha256 } from '../hashing.ts';
import { readRecords } from '../io/jsonl.ts';
import {
  type AnswerItem,
  answerUnit,
  type EvaluationSet,
  figurePaths,
  meanPairLogps,
  type OpenSet,
  setReports,
} from '../method/evaluate.ts';
import { type BuildPrompt, makePrompter, type PrompterArgs } from '../method/prompt.ts';
import { Answer, type Checkpoint, PreferencePair, type StepScores } from '../records.ts';
import { type Counts, EvalReport, FinalReport, type PairLogps, type ScoreFigures, type Trained } from '../reports.ts';
import type { StageName } from '../run/marker.ts';
import { inUnits } from '../run/units.ts';
import { type FigurePath, scoreFigures } from '../statistics/prm-figures.ts';
import { figureWarnings, roundWarnings } from '../statistics/warnings.ts';
import type { Shot, Task } from '../task.ts';
import { addCosts, flopsOf, NO_COST, type TokenCost } from './estimate.ts';
import { type LoadedSet, nameOfSet, type Seen, sharedWarnings, sizeWarning } from './question-sets.ts';
import { checkReferences } from './references.ts';
import { everything, type Loop, labelInputs, sourceIn, stageOf } from './stages.ts';

/** A question set with what its figures must be read with. */
export interface JudgedSet extends OpenSet {
  readonly warnings: readonly string[];
}

/** Opens question sets once a run. */
export interface SetOpener {
  open(sets: readonly EvaluationSet[]): Promise<JudgedSet[]>;
}

export interface SetOpenerArgs {
  readonly loop: Loop;
  readonly loaded: ReadonlyMap<string, LoadedSet>;
  readonly seen: Seen;
  readonly base: Checkpoint;
}

/** Opens loaded sets; warns at once of all that cannot measure what they should. */
export function setOpener({ loop, loaded, seen, base }: SetOpenerArgs): SetOpener {
  const cache = new Map<string, Promise<JudgedSet>>();
  const warnings = new Map(
    [...loaded].map(([key, one]) => {
      const name = nameOfSet(one);
      return [key, [...sizeWarning(name, one.questions.length), ...sharedWarnings(name, one.questions, seen)]] as const;
    }),
  );
  for (const warning of new Set([...warnings.values()].flat())) loop.run.warn(warning);
  const openOne = async (key: string): Promise<JudgedSet> => {
    const found = loaded.get(key);
    if (found === undefined) throw new Error(`Expected a loaded set, got ${key}.`);
    const { set, task } = found;
    const of = `-${task.name}-${set.split}-${sha256(key).slice(0, 8)}`;
    const { kept: questions } = await checkReferences(loop.run, task, found.questions, of);
    const openPolicy = () => loop.backend.openPolicy(sourceIn(loop, base));
    const prompt = await promptOfSet(found, { ...loop, shots: seen.shots, options: loop.config.prompt, openPolicy });
    return { task, split: set.split, prompt, questions, warnings: warnings.get(key) ?? [] };
  };
  return {
    open: (sets) =>
      Promise.all(
        sets.map((set) => {
          const key = canonicalJson(set);
          const opened = cache.get(key) ?? openOne(key);
          cache.set(key, opened);
          return opened;
        }),
      ),
  };
}

export interface RunPrompt extends PrompterArgs {
  readonly prompt: BuildPrompt;
}

/** The run's own prompts, or for another task's set prompts made like them. */
export async function promptOfSet({ own, task }: LoadedSet, run: RunPrompt): Promise<BuildPrompt> {
  const { options, shots, openPolicy } = run;
  return own ? run.prompt : makePrompter({ task, options, shots: shotsLike(run.task, task, shots), openPolicy });
}

/** Worked examples of the run's task for another one; of a mixture, those of the first member that is judged alike. */
function shotsLike(own: Task, other: Task, shots: readonly Shot[]): readonly Shot[] {
  const like = own.members?.find(({ judgedBy }) => judgedBy === other.judgedBy);
  if (own.members === undefined) return shots;
  return shots.flatMap(({ task, ...shot }) => (task === undefined || task === like?.name ? [shot] : []));
}

interface AnswerArgs {
  readonly stage: StageName;
  readonly file: string;
  readonly sets: readonly OpenSet[];
  readonly policy: Checkpoint;
}

async function answer(loop: Loop, { stage, file, sets, policy }: AnswerArgs): Promise<Counts> {
  const { run, config, backend } = loop;
  const { maxTokens, gradeRetries, unit } = config.evaluate;
  const items: AnswerItem[] = sets.flatMap((set) => set.questions.map((question) => ({ set, question })));
  const hashes = sets.map(({ task, split, questions }) => ({
    task: task.name,
    split,
    questions: sha256(canonicalJson(questions)),
  }));
  return run.collect({
    stage,
    inputs: { prompt: loop.data, sets: hashes, policy: policy.hash, options: { maxTokens, gradeRetries, unit } },
    file,
    units: () => inUnits(items, unit),
    sizeOf: ({ length }) => length,
    unit: 'questions',
    total: items.length,
    open: () => backend.openPolicy(sourceIn(loop, policy)),
    each: (some, opened, onDone) =>
      answerUnit(some, { policy: opened, options: config.evaluate, signal: run.signal, onDone }),
  });
}

/** A round as evaluation sees it: the policies around its alignment, and what its stages counted. */
export interface RoundFacts {
  readonly k: number;
  readonly before: Checkpoint | null;
  readonly trained: Trained;
  readonly prm: Trained | null;
  readonly labelled: boolean;
  readonly scored: boolean;
  readonly paired: boolean;
  readonly counts: Readonly<Record<string, Counts>>;
  readonly parameters: number;
}

/** 7: greedy accuracy of M_k with its paired difference to M_(k-1), PRM figures on held-out questions, log-probabilities of the pairs. */
export async function evaluate(loop: Loop, opener: SetOpener, facts: RoundFacts): Promise<EvalReport> {
  const { run, config } = loop;
  const { k, trained } = facts;
  const sets = await opener.open(config.evaluate.sets);
  // Once is enough: what is said of the sets holds for every round.
  const ofSets = k === 0 ? sets.flatMap(({ warnings }) => warnings) : [];
  const policy = trained.checkpoint;
  const answers = await answer(loop, { stage: stageOf(k, '7-answers'), file: '7-answers.jsonl', sets, policy });
  const stage = stageOf(k, '7-eval');
  const counts = { ...facts.counts, '7-answers': answers };
  const body = async (): Promise<EvalReport> => {
    const report = await reportOf(loop, facts, counts, ofSets);
    await run.writeJson(stage, '7-eval.json', report);
    return report;
  };
  const inputs = {
    answers: await run.outputHash(stageOf(k, '7-answers'), '7-answers.jsonl'),
    before: k === 0 ? null : await run.outputHash(stageOf(k - 1, '7-answers'), '7-answers.jsonl'),
    policies: [facts.before?.hash ?? null, policy.hash],
    pairs: facts.paired ? await run.outputHash(stageOf(k, '5-pairs'), '5-pairs.jsonl') : null,
    scores: facts.scored ? await run.outputHash(stageOf(k, '4-scores'), '4-scores.jsonl') : null,
    labels: facts.labelled ? await labelInputs(loop, k) : null,
    rule: config.labels,
    path: config.score.path,
    logpPairs: config.evaluate.logpPairs,
    counts,
  };
  const report = await run.once({ stage, inputs, outputs: ['7-eval.json'], result: EvalReport, body });
  for (const warning of report.warnings) if (!ofSets.includes(warning)) run.warn(warning, stage);
  return report;
}

async function reportOf(
  loop: Loop,
  facts: RoundFacts,
  counts: Record<string, Counts>,
  ofSets: readonly string[],
): Promise<EvalReport> {
  const { run, config } = loop;
  const { k, trained } = facts;
  const read = (i: number) => readRecords(run.path(`iteration-${i}`, '7-answers.jsonl'), Answer);
  const measured = facts.labelled && facts.scored;
  const scores = measured ? await heldOutFigures(loop, k) : null;
  const scoresByTask =
    measured && loop.task.members !== undefined ? await figuresByTask(loop, k, loop.task.members) : null;
  const cost = costOfRound(facts);
  const report = {
    iteration: k,
    policy: trained.checkpoint.hash,
    sets: await setReports(read(k), k === 0 ? null : read(k - 1)),
    scores,
    ...(scoresByTask === null ? {} : { scoresByTask }),
    pairs: facts.paired ? (facts.counts['5-pairs'] ?? null) : null,
    logps: await pairLogps(loop, facts),
    counts,
    cost: { ...cost, flops: flopsOf(cost, facts.parameters, config.align.train.lora !== null) },
  };
  return {
    ...report,
    warnings: [
      ...ofSets,
      ...roundWarnings(report, loop.task.members?.length),
      ...(scores === null ? [] : figureWarnings(scores)),
    ],
  };
}

async function figuresByTask(loop: Loop, k: number, members: readonly Task[]): Promise<Record<string, ScoreFigures>> {
  const figures: Record<string, ScoreFigures> = {};
  for (const { name } of members) figures[name] = await heldOutFigures(loop, k, name);
  return figures;
}

/** Of all questions, or of those of one task of a mixture. */
async function heldOutFigures(loop: Loop, k: number, only?: string): Promise<ScoreFigures> {
  const { config, task } = loop;
  const rules = { task, labels: config.labels, path: config.score.path };
  const groups: FigurePath[][] = [];
  for await (const { scores, ...item } of everything(loop, k, { labels: true, scores: true })) {
    const { id, task: own } = item.question;
    if (!isHeldOut(id, config.labels.heldOut) || (only ?? own) !== own) continue;
    groups.push(figurePaths(item, stepScores(scores), rules));
  }
  return scoreFigures(groups);
}

function stepScores(records: readonly StepScores[]): Map<string, readonly number[]> {
  return new Map(records.flatMap(({ sampleId, scores }) => (scores === null ? [] : [[sampleId, scores] as const])));
}

async function pairLogps(loop: Loop, { k, before, trained, paired }: RoundFacts): Promise<PairLogps | null> {
  const { run, config, backend } = loop;
  const { logpPairs } = config.evaluate;
  if (!paired || before === null || logpPairs === 0) return null;
  const pairs: PreferencePair[] = [];
  for await (const record of readRecords(run.path(`iteration-${k}`, '5-pairs.jsonl'), PreferencePair)) {
    if (record.rejected !== null) pairs.push(record);
  }
  const some = keyedOrder(pairs, 'logps', ({ chosen, rejected }) => `${chosen.sampleId} ${rejected?.sampleId}`).slice(
    0,
    logpPairs,
  );
  if (some.length === 0) return null;
  const under = async (checkpoint: Checkpoint) => {
    await using policy = await backend.openPolicy(sourceIn(loop, checkpoint));
    return meanPairLogps(policy, some, loop, run.signal);
  };
  const [then, now] = [await under(before), await under(trained.checkpoint)];
  return {
    n: some.length,
    chosen: { before: then.chosen, after: now.chosen },
    rejected: { before: then.rejected, after: now.rejected },
  };
}

/** Tokens of a round's stages, its evaluation apart. */
export function costOfRound({ counts, trained, prm }: Pick<RoundFacts, 'counts' | 'trained' | 'prm'>): TokenCost {
  const stages = Object.values(counts).reduce<TokenCost>((sum, stage) => addCosts(sum, tokensIn(stage)), NO_COST);
  return addCosts(stages, { trainTokens: trained.trainTokens + (prm?.trainTokens ?? 0) });
}

function tokensIn({ promptTokens = 0, generatedTokens = 0, scoredTokens = 0 }: Counts): Partial<TokenCost> {
  return { promptTokens, generatedTokens, scoredTokens };
}

export interface FinalPolicy {
  readonly name: FinalReport['rows'][number]['name'];
  readonly policy: Checkpoint;
  readonly optimizerTokens: number;
  readonly flops: number;
}

/** The only reading of the test split: start, last policy and control on the final sets. */
export async function evaluateFinal(
  loop: Loop,
  opener: SetOpener,
  policies: readonly FinalPolicy[],
): Promise<FinalReport> {
  const { run, config } = loop;
  const sets = await opener.open(config.evaluate.final);
  const folder = 'final';
  const stages = policies.map(({ name }) => ({
    stage: { folder, name: `${name}-answers`, iteration: 0 },
    file: `${name}-answers.jsonl`,
  }));
  for (const [index, { policy }] of policies.entries()) {
    const place = stages[index];
    if (place !== undefined) await answer(loop, { ...place, sets, policy });
  }
  const hashes = await Promise.all(stages.map(({ stage, file }) => run.outputHash(stage, file)));
  const stage = { folder, name: 'eval', iteration: 0 };
  const read = (name: string) => readRecords(run.path(folder, `${name}-answers.jsonl`), Answer);
  const body = async (): Promise<FinalReport> => {
    const rows: FinalReport['rows'] = [];
    for (const { name, policy, optimizerTokens, flops } of policies) {
      const own = await setReports(read(name), name === 'start' ? null : read('start'));
      rows.push({ name, policy: policy.hash, optimizerTokens, flops, sets: own });
    }
    const report = { rows, warnings: sets.flatMap(({ warnings }) => warnings) };
    await run.writeJson(stage, 'eval.json', report);
    return report;
  };
  const spent = policies.map(({ name, optimizerTokens, flops }) => ({ name, optimizerTokens, flops }));
  return run.once({ stage, inputs: { answers: hashes, spent }, outputs: ['eval.json'], result: FinalReport, body });
}
