// The optimizer's programs against float64 formulas, over several chunks, with and without decay.
import { expect, test } from 'vitest';
import { Engine } from '../engine/runtime/session.ts';
import { createRandom } from '../random.ts';
import { FlatLayout } from './flat-weights.ts';
import { HostState } from './states/host.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
const random = createRandom('adamw');
const values = (length: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, () => 2 * random.next() - 1);

test('three updates of decayed and undecayed tensors', async () => {
  const layout = new FlatLayout(
    new Map([
      ['norm', [700]],
      ['matrix', [1100, 1000]],
      ['other', [3, 5]],
    ]),
  );
  expect(layout.tensors.map(({ name, offset }) => [name, offset])).toEqual([
    ['matrix', 0],
    ['other', 1_100_000],
    ['norm', layout.decayed],
  ]);
  const options = { betas: [0.9, 0.95] as const, eps: 1e-6, weightDecay: 0.1 };
  const start = { params: values(layout.size), m: layout.zeros(), v: layout.zeros() };
  await using state = await HostState.open({ engine, layout, options, start });
  const exact = {
    p: Float64Array.from(start.params),
    m: new Float64Array(layout.size),
    v: new Float64Array(layout.size),
  };
  for (const update of [1, 2, 3]) {
    const gradient = values(layout.size);
    const step = { update, learningRate: 0.01 * update, gradientScale: 0.7 };
    state.gradient.set(gradient);
    await state.step(step);
    for (let i = 0; i < layout.size; i++) {
      const g = 0.7 * (gradient[i] as number);
      const m = 0.9 * (exact.m[i] as number) + 0.1 * g;
      const v = 0.95 * (exact.v[i] as number) + 0.05 * g * g;
      const decay = i < layout.decayed ? 0.1 : 0;
      const kept = (exact.p[i] as number) * (1 - step.learningRate * decay);
      exact.p[i] =
        kept - (step.learningRate * (m / (1 - 0.9 ** update))) / (Math.sqrt(v / (1 - 0.95 ** update)) + 1e-6);
      exact.m[i] = m;
      exact.v[i] = v;
    }
  }
  let worst = 0;
  for (let i = 0; i < layout.size; i++)
    worst = Math.max(worst, Math.abs((exact.p[i] as number) - (start.params[i] as number)));
  expect(worst).toBeLessThan(1e-6);
  const gradient = values(layout.size);
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  state.gradient.set(gradient);
  expect((await state.norm()) / norm).toBeCloseTo(1, 6);
});
