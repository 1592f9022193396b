// Two LaTeX expressions -> whether they are equal at several points, to a hundred digits.
import { ComputeEngine, type MathJsonExpression } from '@cortex-js/compute-engine';
import { Rewriter } from './rewrite.ts';

type Json = MathJsonExpression;

/** Digits that are computed, and how far numbers may differ; more where large and small ones stand beside each other. */
const USUAL = { digits: 100, tolerance: 1e-60 };
const FINE = { digits: 420, tolerance: 1e-300 };
/** From here on integers need the finer one. */
const LARGE = 1e35;
/** Below, doubles no longer say how large a number is. */
const TINY = 1e-200;
/** Sets of values that are tried, and how many must give numbers. */
const POINTS = 6;
const ENOUGH = 2;

/** Holds the library, whose only state is its precision: it is given no symbols. */
export class Expressions {
  readonly #engine = new ComputeEngine();

  /** True only where it is certain: what cannot be read or computed is false. */
  equal(a: string, b: string): boolean {
    return this.#everywhere(a, b, (left, right, fine) => (this.#isNought(left, right, fine) ? 1 : null)) !== 0;
  }

  /** 1 or -1 where `a` is `b` times one positive or negative number, for any values of the symbols; 0 otherwise. */
  ratio(a: string, b: string): -1 | 0 | 1 {
    let first: Json | null = null;
    return this.#everywhere(a, b, (left, right, fine) => {
      const quotient: Json = ['Divide', left, right];
      const [real, imaginary] = this.#number(quotient, USUAL.digits);
      if (!Number.isFinite(real) || real === 0 || imaginary !== 0) return null;
      first ??= quotient;
      return this.#isNought(quotient, first, fine) ? (Math.sign(real) as -1 | 1) : null;
    });
  }

  /** The common verdict of all points where both sides are numbers; 0 where one has none, or there are too few such points. */
  #everywhere(a: string, b: string, verdict: (left: Json, right: Json, fine: boolean) => -1 | 1 | null): -1 | 0 | 1 {
    const [left, right] = [this.#parse(a), this.#parse(b)];
    if (left === null || right === null) return 0;
    let common: -1 | 0 | 1 = 0;
    let met = 0;
    for (let point = 0; point < POINTS; point++) {
      const names = new Set<string>();
      const rewriter = new Rewriter((name) => {
        names.add(name);
        return somewhere(name, point);
      });
      const [x, y] = [rewriter.rewrite(left), rewriter.rewrite(right)];
      if (x === null || y === null) return 0;
      const [isX, isY] = [this.#isNumber(x), this.#isNumber(y)];
      if (isX !== isY) return 0;
      if (isX) {
        const here = verdict(x, y, rewriter.needsMore);
        if (here === null || (common !== 0 && here !== common)) return 0;
        common = here;
        met += 1;
        if (names.size === 0) return common;
      }
      if (names.size === 0) return 0;
    }
    return met >= ENOUGH ? common : 0;
  }

  #parse(latex: string): Json | null {
    const json = this.#engine.parse(latex, { form: 'raw' }).json;
    return JSON.stringify(json).includes('"Error"') ? null : json;
  }

  #isNumber(json: Json): boolean {
    const [real, imaginary] = this.#number(json, USUAL.digits);
    return Number.isFinite(real) && Number.isFinite(imaginary);
  }

  /** Relative to the larger one, and below 1 for numbers above it, so that large integers differ. */
  #isNought(a: Json, b: Json, fine: boolean): boolean {
    const size = Math.max(magnitude(this.#number(a, USUAL.digits)), magnitude(this.#number(b, USUAL.digits)));
    if (!(size < 1e300)) return false;
    if (size < TINY) return this.#isNull(a) && this.#isNull(b);
    const { digits, tolerance } = fine || size > LARGE ? FINE : USUAL;
    const difference = magnitude(this.#number(['Subtract', a, b], digits));
    return difference <= tolerance * Math.min(1, size);
  }

  /** Nought itself, not a number too small for a double. */
  #isNull(json: Json): boolean {
    this.#engine.precision = USUAL.digits;
    return this.#engine.box(json).N().json === 0;
  }

  #number(json: Json, digits: number): readonly [number, number] {
    this.#engine.precision = digits;
    const value = this.#engine.box(json).N();
    return [value.re, value.im];
  }
}

const magnitude = ([real, imaginary]: readonly [number, number]): number => Math.hypot(real, imaginary);

/** A fraction that looks like no other: the first points are positive, small and large; the others of either sign. */
function somewhere(name: string, point: number): Json {
  let hash = 2166136261 ^ (point * 0x9e3779b1);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash ^= hash >>> 13;
  const num = 1009 + ((hash >>> 0) % 7919);
  const den = point % 2 === 0 ? 1301 : 10007;
  return ['Rational', point >= 2 && (hash & 0x10000) !== 0 ? -num : num, den];
}
