// The port to what training changes: trained weights, moments and a step's gradient.
import type { DeviceArray, Engine, Feeds } from '../engine/runtime/session.ts';
import type { AdamWOptions, AdamWStep } from './adamw.ts';
import type { FlatLayout, FlatState } from './flat-weights.ts';

/** What training changes from step to step. Tensors are in the layout's order. */
export interface TrainingState extends AsyncDisposable {
  /** What a pass is fed for the trained tensors, called `names`; valid until the next step. */
  feeds(names: readonly string[]): Feeds;
  /** Takes a pass's gradients: the step's first ones, or more to add to them. */
  gather(gradients: readonly DeviceArray[], first: boolean): Promise<void>;
  /** Euclidean norm of the step's gradient. */
  norm(): Promise<number>;
  /** Updates parameters and moments by the step's gradient. */
  step(step: AdamWStep): Promise<void>;
  /** The values, in main memory; in main memory they are the state's own. */
  read(): Promise<FlatState>;
}

export interface StateArgs {
  readonly engine: Engine;
  readonly layout: FlatLayout;
  readonly options: AdamWOptions;
  /** Taken over, not copied. */
  readonly start: FlatState;
}
