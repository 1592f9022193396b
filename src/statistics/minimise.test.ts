// Functions whose least place is known -> the place that L-BFGS finds.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { minimise, type Smooth } from './minimise.ts';

const bowl =
  (centre: readonly number[], widths: readonly number[]): Smooth =>
  (x, gradient) =>
    centre.reduce((total, at, i) => {
      gradient[i] = 2 * widths[i]! * (x[i]! - at);
      return total + widths[i]! * (x[i]! - at) ** 2;
    }, 0);

describe('minimise', () => {
  it('finds the middle of bowls that are much steeper one way than another', () => {
    const random = createRandom('bowls');
    for (let n = 1; n <= 20; n += 1) {
      const centre = Array.from({ length: n }, () => 10 * random.next() - 5);
      const widths = Array.from({ length: n }, () => 10 ** (4 * random.next() - 2));
      const found = minimise(bowl(centre, widths), new Float64Array(n), { tolerance: 1e-9 });
      for (const [i, at] of centre.entries()) expect(found[i]).toBeCloseTo(at, 6);
    }
  });

  it("finds the end of Rosenbrock's valley", () => {
    const valley: Smooth = (x, gradient) => {
      const [a, b] = [x[0]!, x[1]!];
      gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a);
      gradient[1] = 200 * (b - a * a);
      return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
    };
    const found = minimise(valley, Float64Array.of(-1.2, 1));
    expect(found[0]).toBeCloseTo(1, 5);
    expect(found[1]).toBeCloseTo(1, 5);
  });

  it('stays where it starts when nothing is lower', () => {
    const start = Float64Array.of(2, -3);
    expect(minimise(bowl([2, -3], [1, 1]), start)).toEqual(start);
    expect(minimise(() => Number.NaN, start)).toEqual(start);
  });

  it('leaves the start as it was and gives the same place again', () => {
    const start = Float64Array.of(0, 0, 0);
    const run = () => minimise(bowl([1, 2, 3], [1, 7, 0.1]), start);
    expect(run()).toEqual(run());
    expect(start).toEqual(Float64Array.of(0, 0, 0));
  });
});
