// Stage 5: samples with path scores -> preference pairs and NLL-only rows of each question.
import { z } from 'zod';
import { described } from '../described.ts';
import { keyedOrder } from '../hashing.ts';
import type { PreferencePair, Question, Sample } from '../records.ts';
import { sum } from '../statistics/intervals.ts';

/** Stage 5: which paths become pairs. */
export const PairOptions = z.strictObject({
  eta: described(
    z.number().min(0).default(0.1),
    "The chosen path's score is at least this much above the rejected one's. Lower it where few questions give pairs; raise it for fewer and clearer pairs.",
  ),
  chosenGate: described(
    z.enum(['right', 'none']).default('right'),
    "Which paths may be chosen. right: only those with a right answer. none: every path (the paper's rule). Take none only where right paths are very rare.",
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
 * All (w, l) with r(w) - r(l) >= eta (docs/method.md, section 2, step 5), of which at most `perQuestion` are drawn. Every eligible chosen path
 * comes before any comes again, each time with another rejected one. The draw depends on `key` and the ids alone.
 * @example
 * const { pairs, nllRows } = pairQuestion({ question, samples, scores }, parseConfig({ pairs: { eta: 0.1 } }).pairs, `${seed}/${iteration}/${question.id}`);
 */
export function pairQuestion(item: PairItem, options: PairOptions, key: string): QuestionPairs {
  const rivals = rivalsOf(item, options, key);
  const eligible = sum(rivals.map(({ rejected }) => rejected.length));
  const limit = Math.min(options.perQuestion ?? eligible, eligible);
  const pairs: PreferencePair[] = [];
  for (let place = 0; pairs.length < limit; place += 1) {
    for (const { chosen, rejected } of rivals) {
      const partner = rejected[place];
      if (partner !== undefined && pairs.length < limit) pairs.push(rowOf(item, chosen, partner));
    }
  }
  const partnered = new Set(rivals.map(({ chosen }) => chosen.id));
  const alone = rightRows(item).filter(({ chosen }) => !partnered.has(chosen.sampleId));
  return { pairs, nllRows: options.nllRows ? alone : [], eligible };
}

/** Each path that may be chosen and has partners, with all of them, in the order of the draw. */
function rivalsOf({ samples, scores }: PairItem, options: PairOptions, key: string) {
  const score = ({ id }: Sample) => scores.get(id) ?? 0;
  const scored = samples.filter(
    ({ id, outcome, source }) => scores.has(id) && outcome.kind !== 'error' && (options.gold || source !== 'gold'),
  );
  const isBelow = (other: Sample, chosen: Sample) =>
    other !== chosen && score(chosen) - score(other) >= options.eta && score(chosen) > score(other);
  const candidates = scored.filter(({ outcome }) => mayBeChosen(outcome, options));
  return keyedOrder(candidates, `chosen/${key}`, ({ id }) => id)
    .map((chosen) => {
      const below = scored.filter((other) => isBelow(other, chosen));
      return { chosen, rejected: keyedOrder(below, `rejected/${key}/${chosen.id}`, ({ id }) => id) };
    })
    .filter(({ rejected }) => rejected.length > 0);
}

/** Every right sample of the policy as an NLL-only row (RFT). */
export function rightRows(item: PairItem): PreferencePair[] {
  const right = item.samples.filter(({ outcome, source }) => outcome.kind === 'right' && source === 'policy');
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

/** What a round counts of its pairs: part of 7-eval.json. `right`: whether each sample is, by its id. */
export function pairCounts(questions: readonly QuestionPairs[], right: ReadonlyMap<string, boolean>) {
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
  };
}

/** A pair, or a right path alone (NLL only). */
function rowOf({ question, scores }: PairItem, chosen: Sample, rejected: Sample | null): PreferencePair {
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
    chosen: side(chosen),
    rejected: rejected && side(rejected),
  };
}
