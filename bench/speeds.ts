// An engine -> tokens a second of training, prefill and decode at 135M, as shares of its GEMM peak.
import { join } from 'node:path';
import type { Backend, PreferenceExample, SftExample, TrainExample } from '#sipf/backend.js';
import type { Engine } from '#sipf/engine/runtime/session.js';
import { trainOptions } from '#sipf/method/train-options.js';
import type { Objective } from '#sipf/objectives/objectives.js';
import { createRandom } from '#sipf/random.js';
import type { ModelSource } from '#sipf/records.js';
import { TrainSettings } from '#sipf/train-settings.js';
import { measureGemmPeak } from './gemm-peak.ts';

export interface Speed {
  readonly tokensPerSecond: number;
  /** GEMM FLOPs that the objective needs, over time, over the peak: no credit for padding or recomputation. */
  readonly fractionOfPeak: number;
}

export interface Speeds {
  readonly gemmPeakGflops: number;
  readonly training: { readonly sft: Speed; readonly orpo: Speed };
  readonly prefill: Speed;
  /** By batch size. */
  readonly decode: Readonly<Record<string, Speed>>;
}

interface MeasureArgs {
  /** What `backend` runs on, in this thread. */
  readonly engine: Engine;
  readonly backend: Backend;
  /** An empty folder for the model and what training writes. */
  readonly folder: string;
  /** A parsed tokenizer.json; the model's vocabulary is larger, as its shape says. */
  readonly tokenizer: object;
  readonly shape?: Shape;
  /** Of decode; the backend has at least as many slots. */
  readonly batches: readonly number[];
  readonly onStage: (name: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** SmolLM2-135M's. */
export const SHAPE_135M = {
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  vocab_size: 49_152,
  max_position_embeddings: 2048,
  tie_word_embeddings: true,
} as const;
export type Shape = {
  readonly [K in keyof typeof SHAPE_135M]: (typeof SHAPE_135M)[K] extends boolean ? boolean : number;
};

const RANK = 16;
const TOKENS_PER_STEP = 1024;
/** Optimizer steps that are timed, after one that pays for the sessions. */
const STEPS = 4;
const PREFILL_ITEMS = 8;
const PREFILL_TOKENS = 256;
const PAST = 128;
const NEW_TOKENS = 32;

/** Measures one after the other on an otherwise idle machine. */
export async function measureSpeeds(args: MeasureArgs): Promise<Speeds> {
  const { engine, backend, folder, tokenizer, onStage, signal, shape = SHAPE_135M, batches } = args;
  onStage('matrix products');
  const gemmPeakGflops = await measureGemmPeak(engine, signal);
  onStage('model');
  const source = { model: join(folder, 'model') };
  await backend.initModel(source.model, { config: shape, tokenizer, seed: 1 }, { signal });
  const share = (flops: number, tokens: number, seconds: number): Speed => ({
    tokensPerSecond: tokens / seconds,
    fractionOfPeak: flops / seconds / (gemmPeakGflops * 1e9),
  });
  const measured = { ...args, shape, source, share };
  onStage('SFT');
  const sft = await measureTraining(measured, 'sft');
  onStage('ORPO');
  const orpo = await measureTraining(measured, 'orpo');
  onStage('prefill');
  const prefill = await measurePrefill(measured);
  const decode: Record<string, Speed> = {};
  for (const batch of batches) {
    onStage(`decode, batch ${batch}`);
    decode[String(batch)] = await measureDecode(measured, batch);
  }
  return { gemmPeakGflops, training: { sft, orpo }, prefill, decode };
}

interface Measured extends MeasureArgs {
  readonly shape: Shape;
  readonly source: ModelSource;
  readonly share: (flops: number, tokens: number, seconds: number) => Speed;
}

/** Parameters of a layer's seven matrices times the layers, and those of their LoRA factors. */
export function linearParameters(shape: Shape, rank: number): { linear: number; lora: number } {
  const { hidden_size: h, intermediate_size: f, num_hidden_layers: layers } = shape;
  const kv = (h / shape.num_attention_heads) * shape.num_key_value_heads;
  const matrices = [
    [h, h],
    [h, kv],
    [h, kv],
    [h, h],
    [h, f],
    [h, f],
    [f, h],
  ] as const;
  return {
    linear: layers * matrices.reduce((sum, [a, b]) => sum + a * b, 0),
    lora: layers * rank * matrices.reduce((sum, [a, b]) => sum + a + b, 0),
  };
}

/** FLOPs of one token's two attention products over `context` tokens, in all layers. */
function attention({ hidden_size, num_hidden_layers }: Shape, context: number): number {
  return 4 * hidden_size * context * num_hidden_layers;
}

async function measureTraining(
  { backend, source, folder, shape, share, signal }: Measured,
  kind: 'sft' | 'orpo',
): Promise<Speed> {
  const { examples, perStep } = await trainingRows(backend, source, kind);
  const objective: Objective =
    kind === 'sft'
      ? { kind, scope: 'completion' }
      : { kind, lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: null };
  const lora = { rank: RANK, alpha: 32, dropout: 0, targets: 'all-linear' } as const;
  const settings = TrainSettings.parse({
    lora,
    batchSize: perStep.examples,
    tokensPerPass: TOKENS_PER_STEP,
    maxLength: TOKENS_PER_STEP,
    checkpointEverySteps: 1000,
  });
  const options = { ...trainOptions(settings, objective, 1, STEPS + 1), shuffle: false };
  const steps: { readonly time: number; readonly tokens: number }[] = [];
  await backend.train(
    { source, examples, options, out: join(folder, kind) },
    ({ tokens }) => steps.push({ time: performance.now(), tokens }),
    { signal },
  );
  const [first, ...timed] = steps;
  const seconds = ((timed.at(-1)?.time ?? 0) - (first?.time ?? 0)) / 1000;
  const tokens = timed.reduce((sum, step) => sum + step.tokens, 0);
  const { linear, lora: factors } = linearParameters(shape, RANK);
  // Frozen weights: forward and the gradient of their input; factors: also their own gradient. Attention: forward and two gradients.
  const perToken = 4 * linear + 6 * factors + 3 * attention(shape, perStep.meanLength / 2);
  const logits = 4 * shape.hidden_size * shape.vocab_size * perStep.completionTokens;
  return share(perToken * tokens + logits * timed.length, tokens, seconds);
}

/** Rows of about 128 tokens of prompt and 128 of each completion, as many as fill a step; a step's rows repeat for every step. */
async function trainingRows(backend: Backend, source: ModelSource, kind: 'sft' | 'orpo') {
  await using policy = await backend.openPolicy(source);
  const unit = 'The answer is 7\n';
  const [unitTokens = 1] = await policy.countTokens([unit]);
  const text = unit.repeat(Math.max(1, Math.floor(120 / unitTokens)));
  const [textTokens = 1] = await policy.countTokens([text]);
  // EOS ends each completion.
  const completion = textTokens + 1;
  const completions = kind === 'sft' ? 1 : 2;
  const row = textTokens + completions * completion;
  const examples = Math.max(1, Math.floor(TOKENS_PER_STEP / row));
  const example = (): SftExample | PreferenceExample =>
    kind === 'sft'
      ? { kind: 'sft', prompt: text, completion: [text] }
      : { kind: 'preference', prompt: text, chosen: [text], rejected: [`${text.slice(0, -2)}8\n`] };
  const all: TrainExample[] = Array.from({ length: examples * (STEPS + 1) }, example);
  // A completion attends to its prompt and itself, whether or not a second one shares the row.
  return {
    examples: all,
    perStep: { examples, completionTokens: examples * completions * completion, meanLength: textTokens + completion },
  };
}

async function measurePrefill({ backend, source, shape, share, signal }: Measured): Promise<Speed> {
  await using policy = await backend.openPolicy(source);
  const items = Array.from({ length: PREFILL_ITEMS }, (_, i) => ({
    context: [randomIds(PREFILL_TOKENS, `prefill ${i}`)],
    completion: [7],
  }));
  await policy.logps(items.slice(0, 1), { signal });
  const started = performance.now();
  await policy.logps(items, { signal });
  const seconds = (performance.now() - started) / 1000;
  const tokens = PREFILL_ITEMS * PREFILL_TOKENS;
  const logits = 2 * shape.hidden_size * shape.vocab_size * PREFILL_ITEMS;
  const perToken = 2 * linearParameters(shape, RANK).linear + attention(shape, PREFILL_TOKENS / 2);
  return share(perToken * tokens + logits, tokens, seconds);
}

async function measureDecode({ backend, source, shape, share, signal }: Measured, batch: number): Promise<Speed> {
  await using policy = await backend.openPolicy(source);
  const timeOf = async (maxTokens: number, salt: string) => {
    // One prompt, computed once: each sequence has a copy of its cache.
    const context = [randomIds(PAST, `decode ${salt}`)];
    const requests = Array.from({ length: batch }, (_, i) => ({
      id: String(i),
      context,
      key: `bench/${i}`,
      sampling: { temperature: 1, maxTokens, ignoreEos: true },
    }));
    const started = performance.now();
    await policy.generate(requests, () => [], { signal });
    return (performance.now() - started) / 1000;
  };
  await timeOf(2, 'warm');
  // The prompt costs the same in both: the difference is decoding alone.
  const short = await timeOf(1, 'short');
  const seconds = Math.max(1e-6, (await timeOf(NEW_TOKENS + 1, 'long')) - short);
  const tokens = batch * NEW_TOKENS;
  const { hidden_size, vocab_size } = shape;
  const perToken =
    2 * linearParameters(shape, RANK).linear + 2 * hidden_size * vocab_size + attention(shape, PAST + NEW_TOKENS / 2);
  return share(perToken * tokens, tokens, seconds);
}

/** Ids that every tokenizer has; others for each key, so that no prompt is computed before. */
function randomIds(count: number, key: string): number[] {
  const random = createRandom(`bench ${key}`);
  return Array.from({ length: count }, () => 5 + Math.floor(90 * random.next()));
}
