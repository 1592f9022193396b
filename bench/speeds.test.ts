// The shape of a model -> the numbers in its matrices.
import { describe, expect, it } from 'vitest';
import { linearParameters, SHAPE_135M } from './speeds.ts';

describe('linearParameters', () => {
  it('counts the matrices of the 135M shape', () => {
    const { linear, lora } = linearParameters(SHAPE_135M, 16);
    // 134.5M parameters without the 28.3M of the tied embedding and 61 norms of 576.
    expect(linear).toBe(134_515_008 - 49_152 * 576 - 61 * 576);
    // PEFT's count for r = 16 on all linear layers of SmolLM2-135M.
    expect(lora).toBe(4_884_480);
  });
});
