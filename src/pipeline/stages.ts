// The loop's stages 1 to 5 on a run directory: which records each reads, which it writes, what it depends on. Leaves training and evaluation to policies.ts and evaluation.ts.
import type { Backend } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { choosePaths } from '../method/choose-paths.ts';
import { type LabelItem, labelUnit } from '../method/label.ts';
import { type Method, needs, scorerOf } from '../method/methods.ts';
import { canPair, capPairs, type PairItem, pairCounts, pairQuestion, rightRows } from '../method/pair.ts';
import type { BuildPrompt } from '../method/prompt.ts';
import { chooseQuestions, type SampleItem, sampleUnit } from '../method/sample.ts';
import { scoreUnit, shuffleScores } from '../method/score.ts';
import type { ScoreCalibration } from '../method/score-calibration.ts';
import { openScorer, scorerInputs } from '../method/scorers.ts';
import { type LabelledQuestion, pathScores } from '../method/step-labels.ts';
import type { ModelSource } from '../records.ts';
import { type Checkpoint, PreferencePair, type Question, Sample, StepLabels, StepScores } from '../records.ts';
import { Counts } from '../reports.ts';
import { readRecords } from '../run/journal.ts';
import type { StageName } from '../run/marker.ts';
import type { Run } from '../run/run.ts';
import { inUnits, joinQuestions } from '../run/units.ts';
import type { Task } from '../task.ts';
import { type OutsideModels, sourceOf } from './models.ts';

/** What every stage of a run shares. */
export interface Loop {
  readonly run: Run;
  readonly config: Config;
  readonly method: Method;
  readonly backend: Backend;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  /** Train questions in the task's order. */
  readonly questions: readonly Question[];
  readonly byId: ReadonlyMap<string, Question>;
  /** Hash of the train questions and of the prompt format: part of every stage's inputs. */
  readonly data: string;
  /** What was counted before the first round, by stage. */
  readonly inputCounts: Readonly<Record<string, Counts>>;
  readonly outside: OutsideModels;
  /** Helper models; null: the policy itself. */
  readonly simulator: Checkpoint | null;
  readonly verifier: Checkpoint | null;
}

export function stageOf(iteration: number, name: string): StageName {
  return { folder: `iteration-${iteration}`, name, iteration };
}

export function sourceIn({ run, outside }: Loop, checkpoint: Checkpoint): ModelSource {
  return sourceOf(run.dir, outside, checkpoint);
}

/** 1 .. k */
function rounds(k: number): number[] {
  return Array.from({ length: k }, (_, i) => i + 1);
}

const FILES = { '1-samples': Sample, '2-step-labels': StepLabels, '4-scores': StepScores, '5-pairs': PreferencePair };
type FileName = keyof typeof FILES;

function stream({ run }: Loop, k: number, name: '1-samples'): AsyncGenerator<Sample>;
function stream({ run }: Loop, k: number, name: '2-step-labels'): AsyncGenerator<StepLabels>;
function stream({ run }: Loop, k: number, name: '4-scores'): AsyncGenerator<StepScores>;
function stream({ run }: Loop, k: number, name: FileName): AsyncGenerator<unknown> {
  return readRecords<unknown>(run.path(`iteration-${k}`, `${name}.jsonl`), FILES[name]);
}

/** Hashes of one stage's files of rounds 1 .. k. */
async function hashesOf({ run }: Loop, name: FileName, k: number): Promise<string[]> {
  return Promise.all(rounds(k).map((i) => run.outputHash(stageOf(i, name), `${name}.jsonl`)));
}

/** Samples, labels and scores of every question so far. `labels` and `scores` only where those stages run. */
export async function* everything(
  loop: Loop,
  k: number,
  want: { labels?: boolean; scores?: boolean },
): AsyncGenerator<{ question: Question; samples: Sample[]; labels: StepLabels[]; scores: StepScores[] }> {
  const order = loop.questions.map(({ id }) => id);
  const samples = joinQuestions(
    order,
    rounds(k).map((i) => stream(loop, i, '1-samples')),
  );
  const labels = joinQuestions(
    order,
    want.labels === true ? rounds(k).map((i) => stream(loop, i, '2-step-labels')) : [],
  );
  const scores = joinQuestions(order, want.scores === true ? [stream(loop, k, '4-scores')] : []);
  try {
    for (const question of loop.questions) {
      const [ofSamples, ofLabels, ofScores] = await Promise.all([samples.next(), labels.next(), scores.next()]);
      const groups = <T>(next: IteratorResult<{ groups: T[][] }>) =>
        next.done === true ? [] : next.value.groups.flat();
      const own = groups<Sample>(ofSamples);
      if (own.length > 0)
        yield { question, samples: own, labels: groups<StepLabels>(ofLabels), scores: groups<StepScores>(ofScores) };
    }
    // Lets each join check that no record was out of place.
    await Promise.all([samples.next(), labels.next(), scores.next()]);
  } finally {
    await Promise.all([samples.return(undefined), labels.return(undefined), scores.return(undefined)]);
  }
}

/** 1: N paths a question from the current policy; duplicates of any round are dropped. */
export async function sample(loop: Loop, k: number, policy: Checkpoint): Promise<Counts> {
  const { run, config, task, prompt, questions } = loop;
  const { sampling: options, seed } = config;
  const chosen = chooseQuestions(questions, options, seed, k);
  return run.collect({
    stage: stageOf(k, '1-samples'),
    inputs: { data: loop.data, seed, options, policy: policy.hash, earlier: await hashesOf(loop, '1-samples', k - 1) },
    file: '1-samples.jsonl',
    units: () => inUnits(sampleItems(loop, k, chosen), options.unit),
    sizeOf: (unit) => unit.length,
    unit: 'questions',
    total: chosen.length,
    open: () => loop.backend.openPolicy(sourceIn(loop, policy)),
    each: (unit, opened, onDone) =>
      sampleUnit(unit, { policy: opened, task, prompt, options, seed, iteration: k, signal: run.signal, onDone }),
  });
}

async function* sampleItems(loop: Loop, k: number, chosen: readonly Question[]): AsyncGenerator<SampleItem> {
  const { sampling, seed } = loop.config;
  const earlier = new Set(
    rounds(k - 1).flatMap((i) => chooseQuestions(loop.questions, sampling, seed, i).map(({ id }) => id)),
  );
  const now = new Set(chosen.map(({ id }) => id));
  const order = loop.questions.map(({ id }) => id);
  const known = joinQuestions(
    order,
    rounds(k - 1).map((i) => stream(loop, i, '1-samples')),
  );
  for await (const { questionId, groups } of known) {
    const question = loop.byId.get(questionId);
    if (question === undefined || !now.has(questionId)) continue;
    yield { question, known: groups.flat(), addGold: sampling.gold && !earlier.has(questionId) };
  }
}

/** 2: rollouts of each step of the chosen new paths (of all paths with `labels.relabel`). */
export async function label(loop: Loop, k: number, policy: Checkpoint): Promise<Counts> {
  const { run, config, task, prompt, questions } = loop;
  const { labels: options, seed } = config;
  const simulator = loop.simulator ?? policy;
  const from = options.relabel ? rounds(k) : [k];
  const samples = async function* () {
    for (const i of from) yield* stream(loop, i, '1-samples');
  };
  const chosen = await choosePathsOf(samples(), options.paths, `label/${seed}/${k}`);
  const order = questions.map(({ id }) => id);
  const items = async function* (): AsyncGenerator<LabelItem> {
    for await (const { questionId, groups } of joinQuestions(
      order,
      from.map((i) => stream(loop, i, '1-samples')),
    )) {
      const question = loop.byId.get(questionId);
      const own = groups.flat().filter(({ id }) => chosen.has(id));
      if (question !== undefined && own.length > 0) yield { question, samples: own };
    }
  };
  return run.collect({
    stage: stageOf(k, '2-step-labels'),
    inputs: {
      data: loop.data,
      seed,
      options,
      simulator: simulator.hash,
      samples: await hashesOf(loop, '1-samples', k),
    },
    file: '2-step-labels.jsonl',
    units: () => inUnits(items(), options.unit),
    sizeOf: (unit) => unit.reduce((sum, item) => sum + item.samples.length, 0),
    unit: 'paths',
    total: chosen.size,
    open: () => loop.backend.openPolicy(sourceIn(loop, simulator)),
    each: (unit, opened, onDone) =>
      labelUnit(unit, { simulator: opened, task, prompt, options, seed, iteration: k, signal: run.signal, onDone }),
  });
}

async function choosePathsOf(samples: AsyncIterable<Sample>, paths: number | null, key: string): Promise<Set<string>> {
  const brief: Pick<Sample, 'id' | 'questionId' | 'outcome' | 'source'>[] = [];
  for await (const { id, questionId, outcome, source } of samples) brief.push({ id, questionId, outcome, source });
  return choosePaths(brief, paths, key);
}

/** What the labels of rounds 1 .. k are: part of the inputs of all that reads them. */
export async function labelInputs(loop: Loop, k: number): Promise<Record<string, unknown>> {
  return { samples: await hashesOf(loop, '1-samples', k), labels: await hashesOf(loop, '2-step-labels', k) };
}

/** What a scorer may read. */
export interface Scoring {
  readonly policy: Checkpoint;
  readonly prm: Checkpoint | null;
  readonly calibration: ScoreCalibration | null;
}

/**
 * 4: the paths so far that someone will read a score of, scored by the PRM, the tallies, the policy's log-probability or the outcome: all
 * of a question that can give pairs, and the labelled ones of every question, on which held-out figures rest.
 */
export async function score(loop: Loop, k: number, { policy, prm, calibration }: Scoring): Promise<Counts> {
  const { run, config, method, task, prompt } = loop;
  const name = scorerOf(method, config.score.scorer);
  if (name === null) throw new Error('Expected a method that scores paths.');
  const labels = needs(method, config.score.scorer).labels;
  const { chosenGate, gold } = config.pairs;
  const items = async function* (): AsyncGenerator<LabelledQuestion> {
    for await (const item of everything(loop, k, { labels })) {
      const labelled = new Set(item.labels.map(({ sampleId }) => sampleId));
      const samples = canPair(item.samples, config.pairs)
        ? item.samples
        : item.samples.filter(({ id }) => labelled.has(id));
      if (samples.length > 0) yield { ...item, samples };
    }
  };
  return run.collect({
    stage: stageOf(k, '4-scores'),
    inputs: {
      data: loop.data,
      scorer: name,
      unit: config.score.unit,
      pairs: { chosenGate, gold },
      ...scorerInputs(name, { prm: prm?.hash ?? null, policy: policy.hash, calibration }),
      ...(labels ? await labelInputs(loop, k) : { samples: await hashesOf(loop, '1-samples', k) }),
    },
    file: '4-scores.jsonl',
    units: () => inUnits(items(), config.score.unit),
    sizeOf: (unit) => unit.reduce((sum, item) => sum + item.samples.length, 0),
    unit: 'paths',
    total: await countPaths(items()),
    open: () =>
      openScorer(name, {
        prm: prm === null ? undefined : () => loop.backend.openPrm(sourceIn(loop, prm)),
        policy: () => loop.backend.openPolicy(sourceIn(loop, policy)),
        calibration: calibration === null ? undefined : async () => calibration,
      }),
    each: (unit, scorer) => scoreUnit(unit, { scorer, task, prompt, signal: run.signal }),
  });
}

async function countPaths(items: AsyncIterable<LabelledQuestion>): Promise<number> {
  let paths = 0;
  for await (const { samples } of items) paths += samples.length;
  return paths;
}

/** 5: preference pairs of every question so far; for methods without pairs, its right samples as NLL-only rows. */
export async function pair(loop: Loop, k: number): Promise<Counts> {
  const { run, config, method } = loop;
  const stage = stageOf(k, '5-pairs');
  const scored = method.feedback !== 'none';
  const body = async () => {
    const right = new Map<string, boolean>();
    const found = [];
    for await (const item of pairItems(loop, k, scored)) {
      for (const { id, outcome } of item.samples) right.set(id, outcome.kind === 'right');
      if (scored) found.push(pairQuestion(item, config.pairs, `${config.seed}/${k}/${item.question.id}`));
      else found.push({ pairs: [], nllRows: rightRows(item), eligible: 0 });
    }
    const capped = capPairs(found, config.pairs.total, `${config.seed}/${k}`);
    await run.writeRecords(
      stage,
      '5-pairs.jsonl',
      capped.flatMap(({ pairs, nllRows }) => [...pairs, ...nllRows]),
    );
    return { ...pairCounts(capped, right) };
  };
  const inputs = {
    data: loop.data,
    seed: config.seed,
    options: config.pairs,
    path: config.score.path,
    method: { feedback: method.feedback, shuffleScores: method.shuffleScores },
    samples: await hashesOf(loop, '1-samples', k),
    scores: scored ? await run.outputHash(stageOf(k, '4-scores'), '4-scores.jsonl') : null,
  };
  return run.once({ stage, inputs, outputs: ['5-pairs.jsonl'], result: Counts, body });
}

async function* pairItems(loop: Loop, k: number, scored: boolean): AsyncGenerator<PairItem> {
  const { config, method } = loop;
  for await (const { question, samples, scores } of everything(loop, k, { scores: scored })) {
    const own = pathScores(scores, config.score.path);
    const key = `shuffle/${config.seed}/${k}/${question.id}`;
    yield { question, samples, scores: method.shuffleScores ? shuffleScores(own, samples, key) : own };
  }
}
