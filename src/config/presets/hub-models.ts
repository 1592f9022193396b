// A model of the hub that presets name -> its size, for estimates before it is downloaded.
import type { Quantisation } from '../../engine-settings.ts';

interface HubModel {
  /** All weights, tied ones once. */
  readonly parameters: number;
  /** Of them, those in linear layers, which `engine.quantisation` packs: all but embeddings, heads, biases and norms. */
  readonly linear: number;
}

/** test/docs/hub-models.test.ts counts them from the sizes in each config.json. */
export const HUB_MODELS: Readonly<Record<string, HubModel>> = {
  'HuggingFaceTB/SmolLM2-135M-Instruct': { parameters: 134_515_008, linear: 106_168_320 },
  'HuggingFaceTB/SmolLM2-360M-Instruct': { parameters: 361_821_120, linear: 314_572_800 },
  'Qwen/Qwen2.5-0.5B': { parameters: 494_032_768, linear: 357_826_560 },
  'google/gemma-3-270m': { parameters: 268_098_176, linear: 100_270_080 },
  'google/gemma-2b': { parameters: 2_506_172_416, linear: 1_981_808_640 },
  'TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T': { parameters: 1_100_048_384, linear: 968_884_224 },
  'microsoft/phi-1_5': { parameters: 1_418_270_720, linear: 1_207_959_552 },
  'deepseek-ai/deepseek-math-7b-rl': { parameters: 6_910_365_696, linear: 6_071_255_040 },
  'deepseek-ai/deepseek-coder-6.7b-instruct': { parameters: 6_740_512_768, linear: 6_476_005_376 },
};

/** Bytes of a packed weight, with its share of a scale for each block; int8 and float16 have one for each row, too little to count. */
const PACKED_BYTES: Readonly<Record<Quantisation, number>> = {
  nf4: 0.5625,
  'nf4-double': 0.5625,
  int4: 0.625,
  int8: 1,
  float16: 2,
};

/** Size of a model as `backend.describe` would tell it; null: no preset names it. */
export function hubModelSize(
  model: string,
  quantisation: Quantisation | null,
): { readonly parameters: number; readonly weightBytes: number } | null {
  const found = HUB_MODELS[model];
  if (found === undefined) return null;
  const { parameters, linear } = found;
  const packed = quantisation === null ? 4 : PACKED_BYTES[quantisation];
  return { parameters, weightBytes: 4 * (parameters - linear) + packed * linear };
}
