// A model's hidden states and log-probabilities at step ends -> P(step correct), by a linear probe.
import { z } from 'zod';
import type { Policy } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import { probability } from '../statistics/logistic-regression.ts';
import { logpFigures, stepLogps, type WrittenPath } from './step-logps.ts';

/** Stage 3 of the scorer probe: what it reads. */
export const ProbeOptions = z.strictObject({
  layers: described(
    z.array(z.number().int().positive().max(MOST.layers)).min(1).nullable().default(null),
    'Layers whose hidden states the probe reads, from 1 on, as JSON. null: one, at three quarters of the depth. Name several where labelled steps are many.',
  ),
});
export type ProbeOptions = z.infer<typeof ProbeOptions>;

/**
 * A logistic regression on a frozen model (ReProbe, arXiv 2511.06209). Lists are by feature: the states of `layers` in order, then the mean
 * and the least log-probability of the step's tokens. logit P(step correct) = intercept + sum of weights · (feature - mean) / scale.
 */
export const Probe = z
  .object({
    /** Checkpoint hash of the model that it reads: the states of another one mean nothing to it. */
    model: z.string(),
    layers: z.array(z.number().int()).min(1),
    means: z.array(z.number()),
    scales: z.array(z.number().positive()),
    weights: z.array(z.number()),
    intercept: z.number(),
    /** Weight of the penalty on the weights, which was chosen on the questions for calibration. */
    ridge: z.number(),
    /** Steps that it was trained on, and the sum of their targets. */
    steps: z.number().int(),
    correct: z.number(),
    /** Steps that chose the ridge, and their mean cross-entropy under the probe; null: there was none. */
    calibrationSteps: z.number().int(),
    calibrationLoss: z.number().nullable(),
  })
  .refine(
    ({ means, scales, weights }) => means.length === weights.length && scales.length === weights.length,
    'as many means and scales as weights',
  );
export type Probe = z.infer<typeof Probe>;

/** Numbers of one step: hidden states, then the mean and the least log-probability of its tokens. */
export type StepFeatures = Float32Array;

/** A policy that tells hidden states. */
export type StateReader = Policy & Required<Pick<Policy, 'stepStates'>> & { readonly layers: number };

/**
 * `model` as one that tells hidden states.
 * @throws SipfError 'unsupported' where its engine tells none.
 * @example
 * await using model = await backend.openPolicy({ model: './SmolLM2-135M' });
 * stateReader(model).layers; // 30
 */
export function stateReader(model: Policy): StateReader {
  if (isStateReader(model)) return model;
  throw new SipfError(
    'unsupported',
    'Expected an engine that tells hidden states for the scorer probe, got one without stepStates. Choose another score.scorer, or an engine that has it.',
  );
}

function isStateReader(model: Policy): model is StateReader {
  return model.layers !== undefined && model.stepStates !== undefined;
}

/** How often the model reads a path: for states, and for log-probabilities. */
export const PASSES = 2;
/** Where the layer is that is read if none is named: on mini one ranks steps as well as four together, and better where labels are few. */
const DEPTH = 0.75;

/**
 * The layers to read of a model with `count`.
 * @throws SipfError 'bad-config' where it has no such layer, or one is named twice.
 * @example
 * probeLayers({ layers: null }, 30); // [23]
 */
export function probeLayers({ layers }: ProbeOptions, count: number): readonly number[] {
  if (layers === null) return [Math.max(1, Math.round(DEPTH * count))];
  const bad = layers.find((layer, i) => layer > count || layers.indexOf(layer) < i);
  if (bad === undefined) return layers;
  throw new SipfError(
    'bad-config',
    `Expected different layers from 1 to ${count} in probe.layers, got ${JSON.stringify(layers)}. Change ${bad}.`,
  );
}

/** `[path][step]` what a probe reads of each step. */
export async function stepFeatures(
  texts: readonly WrittenPath[],
  model: StateReader,
  { layers, signal }: { readonly layers: readonly number[]; readonly signal?: AbortSignal | undefined },
): Promise<StepFeatures[][]> {
  const states = await model.stepStates(texts, layers, { signal });
  const logps = await stepLogps(texts, model, signal);
  return states.map((steps, i) => steps.map((state, j) => joined(state, logpFigures(logps[i]?.[j] ?? []))));
}

function joined(state: Float32Array, figures: readonly number[]): StepFeatures {
  const features = new Float32Array(state.length + figures.length);
  features.set(state);
  features.set(figures, state.length);
  return features;
}

/** P(step correct) of each step of the paths. `model`: one that `checkProbe` let pass. */
export async function probeScores(
  texts: readonly WrittenPath[],
  model: Policy,
  { probe, signal }: { readonly probe: Probe; readonly signal?: AbortSignal | undefined },
): Promise<number[][]> {
  const { layers } = probe;
  const features = await stepFeatures(texts, stateReader(model), { layers, signal });
  return features.map((steps) => steps.map((step) => probability(step, probe)));
}

/**
 * Looks whether the probe can read `model`.
 * @throws SipfError 'bad-input' where the probe is of another model or reads a layer that it has not, 'unsupported' where its engine tells no hidden states.
 */
export function checkProbe({ model, layers }: Probe, policy: Policy): void {
  if (model !== policy.hash)
    throw new SipfError(
      'bad-input',
      `Expected the model that the probe was trained on (${model.slice(0, 12)}), got ${policy.hash.slice(0, 12)}. Give that model, or train a probe on this one.`,
    );
  const { layers: count } = stateReader(policy);
  const bad = layers.find((layer) => layer < 1 || layer > count);
  if (bad !== undefined)
    throw new SipfError(
      'bad-input',
      `Expected layers from 1 to ${count} in the probe, got ${bad}. Train a probe on this model.`,
    );
}
