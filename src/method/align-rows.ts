// Stage 6 and the warm-up: preference pairs and worked solutions -> the rows that train a policy.
import { z } from 'zod';
import type { PreferenceExample, SftExample } from '../backend.ts';
import { described, traceless } from '../described.ts';
import { SipfError } from '../errors.ts';
import { keyedOrder } from '../hashing.ts';
import { OBJECTIVES, type Objective, PairLoss } from '../objectives/objectives.ts';
import type { PreferencePair, Question } from '../records.ts';
import { taskOf } from '../task.ts';
import { TrainSettings } from '../train-settings.ts';
import type { ReadContext } from './context-length.ts';
import { type Method, makesPairs, trainsOnGold } from './methods.ts';
import type { TrainRows } from './train-options.ts';

/** The supervised warm-up M_0 = SFT(base, D_org). */
export const SftOptions = z.strictObject({
  enabled: described(
    z.boolean().default(true),
    'Trains on worked solutions before the first round. Set it false where there are none, or where the model answers well already (then give prompt.shots or prompt.style chat).',
  ),
  scope: OBJECTIVES.sft.options.shape.scope,
  calculatorLoss: described(
    traceless(true),
    'In the warm-up and in alignment, results of annotations that sampling.calculator would write carry loss. Set it false where a calculator writes them, so that training is for what the model writes.',
  ),
  rows: described(
    z.number().int().positive().nullable().default(null),
    'Most worked solutions that are used, drawn by seed. null: all. Lower it for a shorter warm-up.',
  ),
  train: described(TrainSettings.prefault({}), 'How the warm-up trains.'),
});
export type SftOptions = z.infer<typeof SftOptions>;

/** Stage 6: how the next policy learns from pairs. */
export const AlignOptions = z.strictObject({
  start: described(
    z.enum(['base', 'sft', 'previous']).default('previous'),
    "Where each round's training starts. previous: the last policy. sft: the warm-up's. base: the model itself (the paper). Change it where rounds make the model worse step by step.",
  ),
  loss: described(PairLoss.prefault({}), 'The loss on preference pairs: its kind, and the settings of that kind.'),
  gold: described(
    z.number().min(0).default(0),
    'Worked solutions mixed in as NLL rows, for each other row: 1 is as many again, 0 none. Raise it where the policy forgets what the warm-up taught.',
  ),
  train: described(TrainSettings.prefault({}), 'How alignment trains.'),
});
export type AlignOptions = z.infer<typeof AlignOptions>;

/**
 * Worked solutions as SFT rows: all in the order of `questions`, or `rows` of them in an order that depends on `key`.
 * @example
 * const examples = goldRows(questions, null, '', { task, prompt });
 */
export function goldRows(
  questions: readonly Question[],
  rows: number | null,
  key: string,
  context: ReadContext,
): SftExample[] {
  const solved = questions.filter(({ solution }) => solution !== undefined && solution.length > 0);
  const chosen =
    rows === null || rows >= solved.length ? solved : keyedOrder(solved, key, ({ id }) => id).slice(0, rows);
  return chosen.map((question) => ({
    kind: 'sft',
    prompt: context.prompt(question),
    completion: taskOf(context.task, question).pieces(question.solution ?? []),
  }));
}

/** What a round trains on. Of `counts`, `unpaired` are rows that the loss cannot use. */
interface AlignRows extends TrainRows {
  readonly warnings: readonly string[];
}

/** What the rows of a round depend on. `key` draws the worked solutions among them. */
interface AlignArgs extends ReadContext {
  readonly method: Method;
  readonly pairs: readonly PreferencePair[];
  readonly questions: readonly Question[];
  readonly options: AlignOptions;
  readonly scope: SftOptions['scope'];
  readonly key: string;
}

/**
 * The rows and the objective of a round. Rows without a rejected path are left out where the loss has no term for them.
 * @throws SipfError 'nothing-left' where there is no pair (methods that learn from pairs), or no row at all.
 * @example
 * const { examples, objective } = alignRows({ method: METHODS.sipf, pairs, questions, options: config.align, scope: 'completion', key: '0/1', task, prompt });
 */
export function alignRows({ method, pairs, questions, options, scope, key, task, prompt }: AlignArgs): AlignRows {
  const context = { task, prompt };
  const usesPairs = method.align === 'pairs';
  const wanted = goldWanted(method, options, pairs.length);
  const gold = wanted === 0 ? [] : goldRows(questions, wanted, `gold/${key}`, context);
  const counts = {
    pairs: pairs.filter(({ rejected }) => rejected !== null).length,
    nllRows: pairs.filter(({ rejected }) => rejected === null).length,
    gold: gold.length,
  };
  if (makesPairs(method) && counts.pairs === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected preference pairs to align on, got none (${counts.nllRows} right paths without a partner). Lower pairs.eta (of step pairs, pairs.drop too), draw more samples (sampling.samples, sampling.quota), let worked solutions be chosen (pairs.gold true), or use easier or harder questions, so that a question has both good and bad paths.`,
    );
  }
  const own = pairs.map((pair) => (usesPairs ? preferenceRow(pair, context) : sftRow(pair, context)));
  const all = [...own, ...(usesPairs ? gold.map(asPreference) : gold)];
  if (all.length === 0) {
    throw new SipfError(
      'nothing-left',
      'Expected right samples or worked solutions to train on, got neither. Use easier questions or a stronger model.',
    );
  }
  const objective: Objective = usesPairs ? options.loss : { kind: 'sft', scope };
  const unpaired = counts.nllRows + counts.gold;
  const warnings: string[] = [];
  if (unpaired === 0 || !OBJECTIVES[objective.kind].open(objective).needsPairs)
    return { examples: all, objective, counts, warnings };
  warnings.push(
    `${unpaired} rows without a rejected path are left out: this loss compares paths. Set align.loss.nllWeight to learn from them too.`,
  );
  const examples = all.filter((row) => row.kind !== 'preference' || row.rejected !== null);
  return { examples, objective, counts: { pairs: counts.pairs, nllRows: 0, gold: 0, unpaired }, warnings };
}

/** Worked solutions among the rows; null: all. */
function goldWanted(method: Method, { gold }: AlignOptions, pairs: number): number | null {
  if (trainsOnGold(method)) return null;
  return makesPairs(method) ? Math.round(gold * pairs) : 0;
}

function preferenceRow(pair: PreferencePair, { task, prompt }: ReadContext): PreferenceExample {
  const { shared = 0, chosen, rejected } = pair;
  const piecesOf = ({ steps }: PreferencePair['chosen']) => taskOf(task, pair).pieces(steps);
  return {
    kind: 'preference',
    prompt: prompt(pair),
    ...(shared === 0 ? {} : { shared: piecesOf(chosen).slice(0, shared) }),
    chosen: piecesOf(chosen).slice(shared),
    rejected: rejected === null ? null : piecesOf(rejected).slice(shared),
  };
}

function sftRow(pair: PreferencePair, { task, prompt }: ReadContext): SftExample {
  return { kind: 'sft', prompt: prompt(pair), completion: taskOf(task, pair).pieces(pair.chosen.steps) };
}

function asPreference({ prompt, completion }: SftExample): PreferenceExample {
  return { kind: 'preference', prompt, chosen: completion, rejected: null };
}
