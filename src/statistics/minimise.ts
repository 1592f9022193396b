// A smooth function with its gradient, and a start -> where it is least, by L-BFGS.

/** Gives the value at `x` and writes the gradient there into `gradient`. */
export type Smooth = (x: Float64Array, gradient: Float64Array) => number;

interface MinimiseOptions {
  /** Ends where no element of the gradient is larger. */
  readonly tolerance?: number;
  readonly maxSteps?: number;
}

interface Place {
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: Float64Array;
}

/** A step, and by how much the gradient changed over it. */
interface Step {
  readonly moved: Float64Array;
  readonly turned: Float64Array;
  /** Their product, which is positive. */
  readonly curvature: number;
}

/** Steps that the curvature is guessed from. */
const MEMORY = 10;
/** Share of the expected fall that a step must bring (Armijo). */
const ENOUGH = 1e-4;
const SHORTEST = 1e-12;

/**
 * Minimises by L-BFGS with a backtracking line search (Nocedal and Wright 2006, algorithm 7.5). It is deterministic.
 * It ends early where no step brings the value down any more.
 * @example
 * minimise(([x = 0], gradient) => { gradient[0] = 2 * (x - 3); return (x - 3) ** 2; }, new Float64Array(1)); // [3]
 */
export function minimise(
  f: Smooth,
  start: Float64Array,
  { tolerance = 1e-6, maxSteps = 1000 }: MinimiseOptions = {},
): Float64Array {
  let place = placeAt(f, Float64Array.from(start));
  const steps: Step[] = [];
  for (let n = 0; n < maxSteps && largest(place.gradient) > tolerance; n += 1) {
    const direction = descentAt(place.gradient, steps);
    const next = search(f, place, direction, steps.length === 0 ? 1 / Math.max(1, norm(place.gradient)) : 1);
    if (next === null) break;
    const [moved, turned] = [difference(next.x, place.x), difference(next.gradient, place.gradient)];
    const curvature = dot(moved, turned);
    if (curvature > Number.EPSILON * dot(turned, turned)) steps.push({ moved, turned, curvature });
    if (steps.length > MEMORY) steps.shift();
    place = next;
  }
  return place.x;
}

function placeAt(f: Smooth, x: Float64Array): Place {
  const gradient = new Float64Array(x.length);
  return { x, value: f(x, gradient), gradient };
}

/** Minus the inverse Hessian, as the last steps show it, times the gradient. */
function descentAt(gradient: Float64Array, steps: readonly Step[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const shares: number[] = [];
  for (const { moved, turned, curvature } of steps.toReversed()) {
    const share = dot(moved, direction) / curvature;
    shares.push(share);
    add(direction, turned, -share);
  }
  const last = steps.at(-1);
  if (last !== undefined) scale(direction, last.curvature / dot(last.turned, last.turned));
  for (const { moved, turned, curvature } of steps)
    add(direction, moved, shares.pop()! - dot(turned, direction) / curvature);
  return direction;
}

/** The first place along `direction` that brings enough, halving the step; null: there is none. */
function search(f: Smooth, { x, value, gradient }: Place, direction: Float64Array, first: number): Place | null {
  const slope = dot(gradient, direction);
  for (let step = first; step > SHORTEST; step /= 2) {
    const next = placeAt(
      f,
      x.map((at, i) => at + step * direction[i]!),
    );
    if (next.value <= value + ENOUGH * step * slope) return next;
  }
  return null;
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i += 1) total += a[i]! * b[i]!;
  return total;
}

function add(to: Float64Array, values: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i += 1) to[i]! += factor * values[i]!;
}

function scale(values: Float64Array, factor: number): void {
  for (let i = 0; i < values.length; i += 1) values[i]! *= factor;
}

const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - b[i]!);
const norm = (values: Float64Array): number => Math.sqrt(dot(values, values));
const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
