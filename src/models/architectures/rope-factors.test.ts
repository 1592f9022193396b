// RoPE factors of a GGUF file -> the settings that made them.
import { describe, expect, it } from 'vitest';
import { llama3Factors, ropeFromFactors } from './rope-factors.ts';

const LLAMA_32 = { factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };

describe('ropeFromFactors', () => {
  it('finds the settings of Llama 3.2 in its factors, as float32 stores them', () => {
    const factors = llama3Factors(500_000, 64, LLAMA_32);
    expect(factors.slice(0, 2)).toEqual([1, 1]);
    expect(factors.at(-1)).toBe(32);
    expect(factors.filter((factor) => factor > 1 && factor < 32).length).toBeGreaterThan(0);
    const stored = [...Float32Array.from(factors)];
    expect(ropeFromFactors(500_000, stored)).toEqual({ rope_type: 'llama3', rope_theta: 500_000, ...LLAMA_32 });
  });

  it('keeps factors that other settings made', () => {
    const factors = llama3Factors(500_000, 12, { ...LLAMA_32, factor: 8, original_max_position_embeddings: 32 });
    expect(ropeFromFactors(500_000, factors)).toEqual({
      rope_type: 'freq_factors',
      rope_theta: 500_000,
      freq_factors: factors,
    });
  });
});
