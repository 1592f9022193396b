// Stage 5: samples with path scores -> preference pairs and NLL-only rows of each question.
import { z } from 'zod';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { keyedOrder } from '../hashing.ts';
import type { PreferencePair, Question, Sample } from '../records.ts';
import { mean, sum } from '../statistics/intervals.ts';
import { type ForkPath, forkOf, forkPath } from './fork.ts';
import { questionValue } from './path-score.ts';

/** Stage 5: which paths become pairs. */
export const PairOptions = z.strictObject({
  kind: described(
    z.enum(['path', 'step']).default('path'),
    'What a pair compares. path: two whole paths by their scores. step: two paths that share their first steps, until the rejected one takes its first bad step; the loss is on what follows. Take step where step scores find first errors.',
  ),
  eta: described(
    z.number().min(0).default(0.1),
    "The chosen path's score is at least this much above the rejected one's; of kind step: the scores of their steps after the shared ones. Lower it where few questions give pairs; raise it for fewer and clearer pairs.",
  ),
  drop: described(
    z.number().positive().default(0.2),
    "Kind step: a step is bad where its score is at least this much under that of the step before (of the first step: under the share of the question's right samples). Lower it where few questions give pairs.",
  ),
  below: described(
    z.number().min(0).max(1).nullable().default(0.5),
    'Kind step: a step is bad, too, where its score is below this. null: only by its drop. Take null where scores are chances of success (tallies), which are low in a hard question from the start.',
  ),
  chosenGate: described(
    z.enum(['right', 'exact', 'sound', 'none']).default('right'),
    "Which paths may be chosen, or trained on by themselves. right: those with a right answer. exact: of these, those without a false equation. sound: of these, those without a false step, by true steps where the task knows them (mini, mini-code: what a real task cannot know), else as exact. none: every path (the paper's rule). Take exact where right answers come of wrong steps, none only where right paths are very rare.",
  ),
  perQuestion: described(
    z.number().int().positive().nullable().default(4),
    'Most pairs of one question. null: all. Lower it so that easy questions do not outweigh the others.',
  ),
  total: described(
    z.number().int().positive().nullable().default(null),
    "Most pairs of a round; each question's first pair comes before any second one. null: all. Set it to bound what alignment costs.",
  ),
  nllRows: described(
    z.boolean().default(true),
    'Distinct right paths without a partner train with the NLL term alone. Set it false to learn from pairs only.',
  ),
  gold: described(
    z.boolean().default(false),
    'Worked solutions may be chosen. Set it true where the policy has too few right paths of its own.',
  ),
});
export type PairOptions = z.infer<typeof PairOptions>;

interface PairItem {
  readonly question: Question;
  readonly samples: readonly Sample[];
  /** Path scores by sample id; samples without one take no part. */
  readonly scores: ReadonlyMap<string, number>;
  /** Step scores by sample id: pairs of kind step need them. */
  readonly stepScores?: ReadonlyMap<string, readonly number[]>;
  /** Ids of samples that may not be chosen, though their answer may be right (see `refusedByGate`). */
  readonly refused?: ReadonlySet<string> | undefined;
}

interface QuestionPairs {
  readonly pairs: readonly PreferencePair[];
  /** Right paths without a partner. */
  readonly nllRows: readonly PreferencePair[];
  /** Pairs that the rule allows, drawn or not. */
  readonly eligible: number;
}

/** Whether scores could make a pair of these samples: one of them may be chosen. */
export function canPair(samples: readonly Sample[], options: Pick<PairOptions, 'chosenGate' | 'gold'>): boolean {
  const own = samples.filter(({ source }) => options.gold || source !== 'gold');
  return own.some(({ outcome }) => mayBeChosen(outcome, options)) && own.length > 1;
}

function mayBeChosen({ kind }: Sample['outcome'], { chosenGate }: Pick<PairOptions, 'chosenGate'>): boolean {
  return chosenGate === 'none' || kind === 'right';
}

/**
 * All (w, l) with r(w) - r(l) >= eta (docs/method.md, section 1, step 5), of which at most `perQuestion` are drawn. Every eligible chosen path
 * comes before any comes again, each time with another rejected one. The draw depends on `key` and the ids alone. `kind: step`: all (w, l) of
 * `forkOf`.
 * @throws SipfError 'bad-input' where pairs of kind step lack step scores, or the gate checks steps and the item does not say which samples it refuses.
 * @example
 * const { pairs, nllRows } = pairQuestion({ question, samples, scores }, parseConfig({ pairs: { eta: 0.1 } }).pairs, `${seed}/${iteration}/${question.id}`);
 */
export function pairQuestion(item: PairItem, options: PairOptions, key: string): QuestionPairs {
  requireRefused(item, options);
  const rivals = rivalsOf(item, options, key);
  const eligible = sum(rivals.map(({ rejected }) => rejected.length));
  const limit = Math.min(options.perQuestion ?? eligible, eligible);
  const pairs: PreferencePair[] = [];
  for (let place = 0; pairs.length < limit; place += 1) {
    for (const { chosen, rejected } of rivals) {
      const partner = rejected[place];
      if (partner !== undefined && pairs.length < limit) pairs.push(rowOf(item, chosen, partner.sample, partner.fork));
    }
  }
  const partnered = new Set(rivals.map(({ chosen }) => chosen.id));
  const alone = rightRows(item).filter(({ chosen }) => !partnered.has(chosen.sampleId));
  return { pairs, nllRows: options.nllRows ? alone : [], eligible };
}

function requireRefused({ refused }: PairItem, { chosenGate }: PairOptions): void {
  if (refused !== undefined || chosenGate === 'right' || chosenGate === 'none') return;
  throw new SipfError(
    'bad-input',
    `Expected the refused samples of each question for pairs.chosenGate ${chosenGate}, got none. Give what refusedByGate returns.`,
  );
}

/** Each path that may be chosen and has partners, with all of them, in the order of the draw. */
function rivalsOf(item: PairItem, options: PairOptions, key: string) {
  const scored = item.samples.filter(
    ({ id, outcome, source }) => item.scores.has(id) && outcome.kind !== 'error' && (options.gold || source !== 'gold'),
  );
  const compare = options.kind === 'step' ? byStep(item, options) : byPath(item, options);
  const candidates = scored.filter(({ id, outcome }) => mayBeChosen(outcome, options) && !item.refused?.has(id));
  return keyedOrder(candidates, `chosen/${key}`, ({ id }) => id)
    .map((chosen) => {
      const below = scored.flatMap((sample) => {
        const fork = compare(chosen, sample);
        return fork === null ? [] : [{ sample, fork }];
      });
      return { chosen, rejected: keyedOrder(below, `rejected/${key}/${chosen.id}`, ({ sample }) => sample.id) };
    })
    .filter(({ rejected }) => rejected.length > 0);
}

/** Every path that a pair could choose, once and alone: the samples that scores choose for SFT (pRFT). */
export function chosenRows(item: PairItem, options: PairOptions, key: string): PreferencePair[] {
  return rivalsOf(item, options, key).map(({ chosen }) => rowOf(item, chosen, null));
}

/** What a pair says of its fork; a pair of whole paths says nothing. */
type Fork = Pick<PreferencePair, 'shared'>;

/** Whether two paths make a pair; null: they do not. */
type Compare = (chosen: Sample, rejected: Sample) => Fork | null;

function byPath({ scores }: PairItem, { eta }: PairOptions): Compare {
  const score = ({ id }: Sample) => scores.get(id) ?? 0;
  return (chosen, rejected) => {
    const margin = score(chosen) - score(rejected);
    return margin > 0 && margin >= eta ? {} : null;
  };
}

function byStep({ samples, stepScores }: PairItem, { eta, drop, below }: PairOptions): Compare {
  if (stepScores === undefined)
    throw new SipfError(
      'bad-input',
      'Expected step scores for pairs of kind step, got none. Give them as stepScores, or take pairs.kind path.',
    );
  const rule = { drop, below, start: questionValue(samples) };
  const paths = new Map<Sample, ForkPath>();
  for (const sample of samples) {
    const scores = stepScores.get(sample.id);
    if (scores !== undefined) paths.set(sample, forkPath(sample.steps, scores, rule));
  }
  return (chosen, rejected) => {
    const [good, bad] = [paths.get(chosen), paths.get(rejected)];
    const shared = good && bad ? forkOf(good, bad, eta) : null;
    return shared === null ? null : { shared };
  };
}

/** Every right sample but worked solutions that the gate does not refuse as an NLL-only row (RFT). */
export function rightRows(item: PairItem): PreferencePair[] {
  const right = item.samples.filter(
    ({ id, outcome, source }) => outcome.kind === 'right' && source !== 'gold' && !item.refused?.has(id),
  );
  return right.map((sample) => rowOf(item, sample, null));
}

/**
 * At most `total` pairs of a round (null: all): every question's first before any second. Keeps the order of questions, and all NLL-only rows.
 * @example
 * const capped = capPairs(questions, 2000, `${seed}/${iteration}`);
 */
export function capPairs(questions: readonly QuestionPairs[], total: number | null, key: string): QuestionPairs[] {
  const entries = questions.flatMap((item) => item.pairs.map((pair, place) => ({ place, pair })));
  if (total === null || entries.length <= total) return [...questions];
  const shuffled = keyedOrder(entries, `total/${key}`, ({ pair, place }) => `${pair.questionId}/${place}`);
  const kept = new Set(
    shuffled
      .sort((a, b) => a.place - b.place)
      .slice(0, total)
      .map(({ pair }) => pair),
  );
  return questions.map((item) => ({ ...item, pairs: item.pairs.filter((pair) => kept.has(pair)) }));
}

/** What a round counts of its pairs: part of 7-eval.json. `right`: whether each sample is, by its id. `stepPairs`: those that share a step. */
export function pairCounts(
  questions: readonly QuestionPairs[],
  right: ReadonlyMap<string, boolean>,
  { kind }: Pick<PairOptions, 'kind'>,
) {
  const pairs = questions.flatMap((item) => item.pairs);
  const isRight = (id: string | undefined) => id !== undefined && right.get(id) === true;
  return {
    questions: questions.length,
    questionsWithPairs: questions.filter((item) => item.pairs.length > 0).length,
    pairs: pairs.length,
    eligiblePairs: sum(questions.map(({ eligible }) => eligible)),
    nllRows: sum(questions.map(({ nllRows }) => nllRows.length)),
    chosenRight: pairs.filter(({ chosen }) => isRight(chosen.sampleId)).length,
    rejectedRight: pairs.filter(({ rejected }) => isRight(rejected?.sampleId)).length,
    ...(kind === 'step' ? forkCounts(pairs.map(({ shared = 0 }) => shared)) : {}),
  };
}

function forkCounts(shared: readonly number[]) {
  return {
    stepPairs: shared.filter((steps) => steps > 0).length,
    meanSharedSteps: shared.length === 0 ? 0 : mean(shared),
  };
}

/** The options among a stage's inputs. Those of step pairs are named for these alone: runs from before there was a choice stand as they are. */
export function pairInputs({ kind, drop, below, ...ofBoth }: PairOptions): Record<string, unknown> {
  return kind === 'step' ? { ...ofBoth, kind, drop, below } : ofBoth;
}

/** A pair, or a right path alone (NLL only). */
function rowOf(
  { question, scores }: PairItem,
  chosen: Sample,
  rejected: Sample | null,
  fork: Fork = {},
): PreferencePair {
  const { id: questionId, task, question: text, prefix } = question;
  const side = ({ id, steps, forced }: Sample) => ({
    sampleId: id,
    steps,
    score: scores.get(id) ?? null,
    ...(forced === undefined ? {} : { forced }),
  });
  return {
    questionId,
    task,
    question: text,
    ...(prefix === undefined ? {} : { prefix }),
    ...fork,
    chosen: side(chosen),
    rejected: rejected && side(rejected),
  };
}
