// What an objective is: options, a scalar in the graph, what it is fed, and its figures.
import type { z } from 'zod';
import type { Graph, Tensor } from '../engine/graph.ts';
import { int64, vector } from '../engine/host-arrays.ts';
import type { HostArray } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';

/** A token to predict: the flat index of the hidden state that predicts it, and its id. */
export interface Prediction {
  readonly row: number;
  readonly target: number;
}

/** One example of a pass, as losses see it: where its tokens are predicted. */
export interface PlacedExample {
  /** The prompt's tokens but the first, which nothing predicts. */
  readonly prompt: readonly Prediction[];
  /** Each branch's tokens; without a prompt all but the first. SFT: the completion. Preferences: chosen, and rejected where there is one. */
  readonly branches: readonly (readonly Prediction[])[];
  /** Labelled steps: the flat index of the last token, and P(correct) to learn. */
  readonly stepEnds: readonly { readonly row: number; readonly target: number }[];
  /** The reference policy's log-probability of each branch; empty where the objective needs none. */
  readonly reference: readonly number[];
}

/** The examples of one pass, within those of all passes of its optimizer step: what means are taken over. */
export interface LossPass {
  readonly examples: readonly PlacedExample[];
  readonly step: readonly (readonly PlacedExample[])[];
}

/** What a loss is built from. */
export interface LossContext {
  readonly graph: Graph;
  /** Log-probabilities `[n]` of the tokens of `tokenFeeds`. */
  logps(): Tensor;
  /** Log-odds `[n]` of "step correct" at the `rows [n]` fed. */
  stepLogOdds(): Tensor;
}

export type Feeds = Record<string, HostArray>;
export type Figures = Record<string, number>;

/** A loss with its options. Losses of a step's passes add up to the step's loss, however it was divided. */
export interface Loss {
  /** Positions of an example that need the output head. */
  positions(example: PlacedExample): number;
  /** Adds the loss of one pass to the graph, and its figures: scalars that add up over the passes of a step. */
  build(context: LossContext): { loss: Tensor; figures: Readonly<Record<string, Tensor>> };
  feeds(of: LossPass): Feeds;
  /** A step's figures, from the sums over its passes and from its examples. */
  report(sums: Readonly<Figures>, step: readonly PlacedExample[]): Figures;
  /** Passes hold the examples in the order given, because the loss's means depend on the division. */
  readonly inOrder: boolean;
  /** Rows without a rejected path teach nothing. */
  readonly needsPairs: boolean;
}

/** An objective: what a file of this folder says of it. */
interface ObjectiveFile<Options extends z.ZodType<{ kind: string }>> {
  /** The port's options and, for a preference loss, the settings of `align.loss`. */
  readonly options: Options;
  /** The kind of rows that it trains on. */
  readonly example: 'sft' | 'prm' | 'preference';
  /** Rows carry the reference policy's log-probabilities. */
  readonly needsReference: boolean;
  readonly loss: (options: z.output<Options>) => Loss;
}

/** An objective with `open`, which checks options of unknown origin. */
export function defineObjective<Options extends z.ZodType<{ kind: string }>>(file: ObjectiveFile<Options>) {
  return {
    ...file,
    /** @throws SipfError 'bad-input' where an option is none of this objective's. */
    open(given: unknown): Loss {
      const parsed = file.options.safeParse(given);
      if (parsed.success) return file.loss(parsed.data);
      const [issue] = parsed.error.issues;
      throw new SipfError(
        'bad-input',
        `Expected options of a training objective, got ${JSON.stringify(given)} (${issue?.path.join('.')}: ${issue?.message}). Correct them.`,
      );
    },
  };
}

/** Feeds of `LossContext.logps`. A pass without a prediction gets one that weighs nothing, since no tensor may be empty. */
export function tokenFeeds(predictions: readonly Prediction[]): Feeds {
  return {
    rows: vector(int64(predictions.map(({ row }) => row))),
    targets: vector(int64(predictions.map(({ target }) => target))),
  };
}

/** x / y, or 0 where there is nothing to divide by. */
export const ratio = (x: number, y: number): number => (y === 0 ? 0 : x / y);
