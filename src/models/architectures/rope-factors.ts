// A GGUF file's RoPE factors -> rope_parameters: Llama 3's, or the factors themselves.

/** Settings that Llama 3.1 to 3.3 were published with; `factor` is read off the factors. */
const PUBLISHED = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 } as const;

export type Llama3Scaling = Readonly<Record<keyof typeof PUBLISHED | 'factor', number>>;

/** What Llama 3's scaling divides each inverse frequency theta^(-2i / dim) by, `[dim / 2]` (transformers, `_compute_llama3_parameters`). */
export function llama3Factors(theta: number, dim: number, scaling: Llama3Scaling): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: length } = scaling;
  return Array.from({ length: dim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / dim);
    if (wavelength < length / high) return 1;
    if (wavelength > length / low) return factor;
    const smooth = (length / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * `rope_parameters` for the factors of rope_freqs.weight: `rope_type: 'llama3'` where those settings reproduce them, else
 * `rope_type: 'freq_factors'` with inverse frequency i = theta^(-2i / dim) / freq_factors[i].
 */
export function ropeFromFactors(theta: number, factors: readonly number[]): Record<string, unknown> {
  const scaling = { ...PUBLISHED, factor: Math.max(...factors) };
  const expected = llama3Factors(theta, 2 * factors.length, scaling);
  const same = factors.every((factor, i) => Math.abs(factor / (expected[i] as number) - 1) < 1e-5);
  if (same) return { rope_type: 'llama3', rope_theta: theta, ...scaling };
  return { rope_type: 'freq_factors', rope_theta: theta, freq_factors: [...factors] };
}
