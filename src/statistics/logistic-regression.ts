// Rows of features with targets in [0, 1] -> ridge logistic regression on standardised features.
import { minimise, type Smooth } from './minimise.ts';

/** Rows of one width, one after the other, and the target of each in [0, 1]. */
export interface TargetRows {
  readonly width: number;
  readonly values: Float32Array;
  readonly targets: Float32Array;
}

/** Mean and standard deviation of each feature. One that does not vary has scale 1, so that it says nothing. */
export interface Standard {
  readonly means: readonly number[];
  readonly scales: readonly number[];
}

/** logit P = intercept + weights · standardised features. */
export interface Logistic {
  readonly weights: readonly number[];
  readonly intercept: number;
}

/** A scale below this share of the feature's size is rounding. */
const ROUNDING = 1e-6;

/** What standardises features as these rows have them. */
export function standardOf({ width, values, targets }: TargetRows): Standard {
  const count = targets.length;
  const total = (of: (value: number, j: number) => number): Float64Array => {
    const sums = new Float64Array(width);
    for (let i = 0; i < values.length; i += 1) sums[i % width]! += of(values[i]!, i % width);
    return sums;
  };
  const means = Array.from(
    total((value) => value),
    (sum) => sum / count,
  );
  const scales = Array.from(
    total((value, j) => (value - means[j]!) ** 2),
    (sum) => Math.sqrt(sum / count),
  );
  return { means, scales: scales.map((scale, j) => (scale > ROUNDING * Math.abs(means[j]!) ? scale : 1)) };
}

/** The same rows with standardised features. */
export function standardised(rows: TargetRows, { means, scales }: Standard): TargetRows {
  const { width } = rows;
  return { ...rows, values: rows.values.map((value, i) => (value - means[i % width]!) / scales[i % width]!) };
}

/** P of one row of raw features. */
export function probability(
  features: ArrayLike<number>,
  { means, scales, weights, intercept }: Standard & Logistic,
): number {
  let z = intercept;
  for (let j = 0; j < weights.length; j += 1) z += (weights[j]! * (features[j]! - means[j]!)) / scales[j]!;
  return sigmoid(z);
}

/**
 * Mean cross-entropy, and ridge / 2 times the squared weights, as a function of [weights, intercept]. The intercept has no penalty.
 * @param rows with standardised features.
 */
export function logisticLoss({ width, values, targets }: TargetRows, ridge: number): Smooth {
  const count = targets.length;
  return (x, gradient) => {
    gradient.fill(0);
    let loss = 0;
    for (let i = 0; i < count; i += 1) {
      const at = i * width;
      let z = x[width]!;
      for (let j = 0; j < width; j += 1) z += x[j]! * values[at + j]!;
      loss += softplus(z) - targets[i]! * z;
      const slope = (sigmoid(z) - targets[i]!) / count;
      for (let j = 0; j < width; j += 1) gradient[j]! += slope * values[at + j]!;
      gradient[width]! += slope;
    }
    let penalty = 0;
    for (let j = 0; j < width; j += 1) {
      penalty += x[j]! ** 2;
      gradient[j]! += ridge * x[j]!;
    }
    return loss / count + (ridge / 2) * penalty;
  };
}

/**
 * The weights with the least loss.
 * @param rows with standardised features, of both kinds: targets that are all alike have no finite intercept.
 * @param from where the search starts, such as the weights of another ridge.
 */
export function logisticRegression(rows: TargetRows, ridge: number, from?: Logistic): Logistic {
  const start =
    from === undefined ? new Float64Array(rows.width + 1) : Float64Array.of(...from.weights, from.intercept);
  const found = minimise(logisticLoss(rows, ridge), start);
  return { weights: Array.from(found.subarray(0, rows.width)), intercept: found[rows.width]! };
}

/** Mean cross-entropy of rows with standardised features. */
export function crossEntropy(rows: TargetRows, { weights, intercept }: Logistic): number {
  return logisticLoss(rows, 0)(Float64Array.of(...weights, intercept), new Float64Array(rows.width + 1));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
