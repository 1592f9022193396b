// Settings of the fixtures' config.json -> proof that the reference's numbers depend on each.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelConfig } from '../../src/models/architectures/architecture.ts';
import { architectureOf } from '../../src/models/architectures/architectures.ts';
import { decoderOf } from '../../src/models/architectures/form.ts';
import {
  ARCHITECTURE_FIXTURES,
  architectureFixture,
  logitsOf,
  type Row,
  readReference,
} from '../architecture-fixture.ts';
import { openTiny, type TinyModel } from '../tiny-model.ts';
import { engine, relativeError } from '../training-fixtures.ts';

/** Far more than the tolerance of the numbers (1e-4). */
const SEEN = 1e-3;

const FULL = Array(7).fill('full_attention');
const WINDOW = 8;
const THETA = { full_attention: 1e6, sliding_attention: 1e4 };
const gemma3Ropes = (type: keyof typeof THETA) => ({
  full_attention: { rope_theta: THETA.full_attention, rope_type: 'default' },
  sliding_attention: { rope_theta: THETA.sliding_attention, rope_type: 'default' },
  [type]: { rope_theta: 5e3, rope_type: 'default' },
});

/** What each folder's numbers must depend on: another value of it. A window is counted to the token. */
const SETTINGS: Readonly<Record<string, readonly ModelConfig[]>> = {
  gemma: [{ rope_parameters: { rope_theta: 500 } }],
  gemma2: [
    { sliding_window: WINDOW - 1 },
    { sliding_window: WINDOW + 1 },
    { layer_types: ['full_attention', 'sliding_attention', 'full_attention', 'sliding_attention'] },
    { layer_types: FULL.slice(0, 4) },
    { query_pre_attn_scalar: 16 },
    { attn_logit_softcapping: null },
    { final_logit_softcapping: null },
  ],
  'gemma3-text': [
    { sliding_window: WINDOW - 1 },
    { sliding_window: WINDOW + 1 },
    { layer_types: FULL },
    { query_pre_attn_scalar: 16 },
    { rope_parameters: gemma3Ropes('full_attention') },
    { rope_parameters: gemma3Ropes('sliding_attention') },
  ],
  llama: [{ rope_parameters: { rope_theta: 500 } }],
  'llama-3.2': [{ rope_parameters: { rope_type: 'default', rope_theta: 1e4 } }],
  'llama-tied': [{ rope_parameters: { rope_theta: 1e4 } }],
  mistral: [{ sliding_window: WINDOW - 1 }, { sliding_window: WINDOW + 1 }, { sliding_window: null }],
  olmo2: [{ rope_parameters: { rope_theta: 1e4 } }],
  phi: [{ rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 1 } }, { layer_norm_eps: 1e-2 }],
  qwen2: [
    { rope_parameters: { rope_theta: 500 } },
    { use_sliding_window: true, sliding_window: WINDOW, layer_types: null, max_window_layers: 2 },
  ],
  qwen3: [{ rope_parameters: { rope_theta: 500 } }, { rms_norm_eps: 1e-2 }],
  smollm3: [
    { no_rope_layers: [1, 1, 1, 1, 1] },
    { no_rope_layers: [1, 1, 0, 1, 1] },
    { no_rope_layers: null, no_rope_layer_interval: 5 },
    { use_sliding_window: true, sliding_window: WINDOW, layer_types: null },
    { rope_parameters: { rope_theta: 1e4 } },
  ],
};

/** Texts are at most this long. */
const LONGEST = 40;
/** Those with windows, and the same without one. */
const WINDOWED: Readonly<Record<string, ModelConfig>> = {
  mistral: { sliding_window: null },
  gemma2: { layer_types: FULL.slice(0, 4) },
};

it('every folder has settings', () => expect(Object.keys(SETTINGS)).toEqual(ARCHITECTURE_FIXTURES));

/** Logits of a folder's weights under its configuration with a change. */
function opened(name: string) {
  const { config } = architectureFixture(name);
  let rows: readonly Row[];
  let tiny: TinyModel;
  beforeAll(async () => {
    ({ rows } = await readReference(name));
    tiny = await openTiny(engine, `architectures/${name}`);
  });
  afterAll(() => tiny[Symbol.asyncDispose]());
  return (change: ModelConfig): Promise<Float32Array[]> => {
    const changed = { ...config, ...change };
    const decoder = decoderOf(architectureOf(changed), changed);
    return logitsOf(engine, { decoder, values: tiny.weights.values }, rows);
  };
}

describe.each(Object.entries(SETTINGS))('%s depends on', (name, settings) => {
  const logitsWith = opened(name);
  let own: Float32Array[];
  beforeAll(async () => {
    own = await logitsWith({});
  });

  it.each(settings)('%j', async (change) => {
    const other = await logitsWith(change);
    expect(relativeError(other[0] ?? [], own[0] ?? [])).toBeGreaterThan(SEEN);
  });
});

describe.each(Object.entries(WINDOWED))('%s', (name, without) => {
  const logitsWith = opened(name);

  it('with a window as long as the text is the model without, a shorter one hides the first token', async () => {
    const [free = new Float32Array()] = await logitsWith(without);
    for (const sliding_window of [LONGEST, LONGEST + 1, 4096])
      expect((await logitsWith({ sliding_window }))[0]).toEqual(free);
    const [shorter = new Float32Array()] = await logitsWith({ sliding_window: LONGEST - 1 });
    const last = -free.length / LONGEST;
    expect(shorter.slice(last)).not.toEqual(free.slice(last));
    expect(shorter.slice(0, last)).toEqual(free.slice(0, last));
  });
});
