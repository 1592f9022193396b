// Stage 5: samples with path scores -> preference pairs and NLL-only rows of each question. Pure; leaves training to align.ts.
import { z } from 'zod';
import { described } from '../described.ts';
import { keyedOrder } from '../hashing.ts';
import type { PreferencePair, Question, Sample } from '../records.ts';

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

export interface PairItem {
  readonly question: Question;
  readonly samples: readonly Sample[];
  /** Path scores by sample id; samples without one take no part. */
  readonly scores: ReadonlyMap<string, number>;
}

export interface QuestionPairs {
  readonly pairs: readonly PreferencePair[];
  readonly nllRows: readonly PreferencePair[];
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
 * All (w, l) with r(w) - r(l) >= eta, of which at most `perQuestion` are drawn in turns: every eligible chosen path appears before any repeats,
 * each time with another rejected one. The draw depends on `key` and the ids alone.
 */
export function pairQuestion(
  { question, samples, scores }: PairItem,
  options: PairOptions,
  key: string,
): QuestionPairs {
  const scored = samples.filter(
    ({ id, outcome, source }) => scores.has(id) && outcome.kind !== 'error' && (options.gold || source !== 'gold'),
  );
  const score = (sample: Sample) => scores.get(sample.id) ?? 0;
  const candidates = scored.filter(({ outcome }) => mayBeChosen(outcome, options));
  const turns = keyedOrder(candidates, `chosen/${key}`, ({ id }) => id)
    .map((chosen) => ({
      chosen,
      rejected: keyedOrder(
        scored.filter(
          (other) => other !== chosen && score(chosen) - score(other) >= options.eta && score(chosen) > score(other),
        ),
        `rejected/${key}/${chosen.id}`,
        ({ id }) => id,
      ),
    }))
    .filter(({ rejected }) => rejected.length > 0);
  const eligible = turns.reduce((sum, { rejected }) => sum + rejected.length, 0);
  const limit = Math.min(options.perQuestion ?? eligible, eligible);
  const pairs: PreferencePair[] = [];
  for (let turn = 0; pairs.length < limit; turn += 1) {
    for (const { chosen, rejected } of turns) {
      const partner = rejected[turn];
      if (partner === undefined || pairs.length >= limit) continue;
      pairs.push(rowOf(question, side(chosen, score(chosen)), side(partner, score(partner))));
    }
  }
  const partnered = new Set(turns.map(({ chosen }) => chosen.id));
  const alone = samples.filter(
    ({ id, outcome, source }) => outcome.kind === 'right' && source === 'policy' && !partnered.has(id),
  );
  const nllRows = options.nllRows
    ? alone.map((sample) => rowOf(question, side(sample, scores.get(sample.id) ?? null), null))
    : [];
  return { pairs, nllRows, eligible };
}

/** Every distinct right sample as an NLL-only row (RFT). */
export function rightRows({ question, samples, scores }: PairItem): PreferencePair[] {
  return samples
    .filter(({ outcome, source }) => outcome.kind === 'right' && source === 'policy')
    .map((sample) => rowOf(question, side(sample, scores.get(sample.id) ?? null), null));
}

export interface PairCounts {
  readonly questions: number;
  readonly questionsWithPairs: number;
  readonly pairs: number;
  readonly eligiblePairs: number;
  readonly nllRows: number;
  readonly chosenRight: number;
  readonly rejectedRight: number;
}

/** Caps the pairs of a round at `total`, taking every question's first before any second; keeps the order of questions. NLL-only rows stay. */
export function capPairs(questions: readonly QuestionPairs[], total: number | null, key: string): QuestionPairs[] {
  const entries = questions.flatMap((item, at) => item.pairs.map((pair, turn) => ({ at, turn, pair })));
  if (total === null || entries.length <= total) return [...questions];
  const shuffled = keyedOrder(entries, `total/${key}`, ({ pair, turn }) => `${pair.questionId}/${turn}`);
  const kept = new Set(
    shuffled
      .sort((a, b) => a.turn - b.turn)
      .slice(0, total)
      .map(({ pair }) => pair),
  );
  return questions.map((item) => ({ ...item, pairs: item.pairs.filter((pair) => kept.has(pair)) }));
}

export function pairCounts(questions: readonly QuestionPairs[], samples: ReadonlyMap<string, boolean>): PairCounts {
  const pairs = questions.flatMap((item) => item.pairs);
  const right = (id: string | undefined) => id !== undefined && samples.get(id) === true;
  return {
    questions: questions.length,
    questionsWithPairs: questions.filter((item) => item.pairs.length > 0).length,
    pairs: pairs.length,
    eligiblePairs: questions.reduce((sum, { eligible }) => sum + eligible, 0),
    nllRows: questions.reduce((sum, { nllRows }) => sum + nllRows.length, 0),
    chosenRight: pairs.filter(({ chosen }) => right(chosen.sampleId)).length,
    rejectedRight: pairs.filter(({ rejected }) => right(rejected?.sampleId)).length,
  };
}

type Side = PreferencePair['chosen'];

function side(sample: Sample, score: number | null): Side {
  return { sampleId: sample.id, steps: sample.steps, score };
}

function rowOf(question: Question, chosen: Side, rejected: Side | null): PreferencePair {
  const { id, task, question: text, prefix } = question;
  return { questionId: id, task, question: text, ...(prefix === undefined ? {} : { prefix }), chosen, rejected };
}
