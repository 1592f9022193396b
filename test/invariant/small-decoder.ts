// Sizes -> a decoder's graphs for training and generation, with random weights, and their feeds.
import { closeSync, openSync, writeSync } from 'node:fs';
import { gradients } from '../../src/engine/backward.ts';
import { neg, reduceMean, tokenLogp } from '../../src/engine/build.ts';
import { Graph, type Tensor, type WeightSlice } from '../../src/engine/graph.ts';
import type { HostArray } from '../../src/engine/runtime/session.ts';
import { type Decoder, decode, rowsAt } from '../../src/models/architectures/architecture.ts';
import { decoderOf } from '../../src/models/architectures/form.ts';
import { llama } from '../../src/models/architectures/llama.ts';
import { FrozenParameters } from '../../src/models/architectures/parameters.ts';
import { declareInputs, declareStep, passInputs, ropeInputs, stepInputs } from '../../src/models/pass-inputs.ts';
import { declaredWeights } from '../../src/models/weights/declared-weights.ts';
import { LoraParameters } from '../../src/models/weights/lora.ts';
import { createRandom } from '../../src/random.ts';

export interface Built {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Inputs named as PEFT names them. */
  readonly adapter: ReadonlyMap<string, Tensor>;
}

export const SMALL: Decoder = llamaOf({
  vocab: 96,
  hidden: 32,
  intermediate: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
});

/** A tied Llama of these sizes. */
export function llamaOf(
  sizes: Readonly<Record<'vocab' | 'hidden' | 'intermediate' | 'layers' | 'heads' | 'kvHeads', number>>,
): Decoder {
  return decoderOf(llama, {
    vocab_size: sizes.vocab,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.kvHeads,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  });
}

/** Where each weight is in `file`, one after the other. */
export function layOut(decoder: Decoder, file: string): Map<string, WeightSlice> {
  const slices = new Map<string, WeightSlice>();
  let offset = 0;
  for (const [name, shape] of declaredWeights(decoder).shapes) {
    const length = 4 * shape.reduce((a, b) => a * b, 1);
    slices.set(name, { file, offset, length, shape });
    offset += length;
  }
  return slices;
}

/** Random values, scaled so that activations stay near 1. */
export function writeWeights(slices: ReadonlyMap<string, WeightSlice>): void {
  const random = createRandom('weights of a small decoder');
  const block = Float32Array.from({ length: 65_521 }, () => random.next() * 2 - 1);
  const files = new Set([...slices.values()].map(({ file }) => file));
  const handles = new Map([...files].map((file) => [file, openSync(file, 'w')]));
  for (const { file, offset, length, shape } of slices.values()) {
    const scale = shape.length === 1 ? 0 : 1.7 / Math.sqrt(shape[1] as number);
    const values = block.map((value) => (shape.length === 1 ? 1 : value * scale));
    const bytes = new Uint8Array(values.buffer);
    for (let done = 0; done < length; done += bytes.length) {
      writeSync(handles.get(file) as number, bytes, 0, Math.min(bytes.length, length - done), offset + done);
    }
  }
  for (const handle of handles.values()) closeSync(handle);
}

/** LoRA forward and backward over packed rows: `loss` and the derivative by each factor. `[1, seq]`, all of `[n]` rows scored. */
export function trainingGraph(decoder: Decoder, slices: ReadonlyMap<string, WeightSlice>, rank: number): Built {
  const graph = new Graph();
  const shape = { rank, scale: 2, targets: 'all-linear', dropout: 0 } as const;
  const parameters = new LoraParameters(new FrozenParameters(graph, slices), shape);
  const { hidden } = decode(decoder, parameters, declareInputs(graph, decoder.config));
  const logits = decoder.logits(parameters, rowsAt(hidden, graph.input('rows', 'int64', ['rows'])));
  const loss = neg(reduceMean(tokenLogp(logits, graph.input('targets', 'int64', ['rows']))));
  const derivatives = gradients(loss, [...parameters.inputs.values()]);
  const named = [...parameters.inputs.keys()].map((name, n) => [name, derivatives[n] as Tensor] as const);
  return { graph, outputs: { loss, ...Object.fromEntries(named) }, adapter: parameters.inputs };
}

/** One token after a cache: logits `[batch, 1, vocab]` and the new rows of the cache. */
export function generationGraph(decoder: Decoder, slices: ReadonlyMap<string, WeightSlice>): Built {
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, slices);
  const { hidden, present } = decode(decoder, parameters, declareStep(graph, decoder.config));
  const cache = present.flatMap(({ keys, values }, n) => [
    [`keys${n}`, keys] as const,
    [`values${n}`, values] as const,
  ]);
  const outputs = { logits: decoder.logits(parameters, hidden), ...Object.fromEntries(cache) };
  return { graph, outputs, adapter: new Map() };
}

const floats = (shape: readonly number[], value: (n: number) => number): HostArray => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => value(n)),
  shape,
});
const integers = (shape: readonly number[], value: (n: number) => number): HostArray => ({
  data: BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => BigInt(value(n))),
  shape,
});

/** Feeds of a training graph: `seq` tokens, every one but the last predicting the next. */
export function trainingFeeds({ config }: Decoder, { adapter }: Built, seq: number): Record<string, HostArray> {
  const random = createRandom('adapter');
  const token = (n: number) => (n * 31) % config.vocab;
  const factors = [...adapter].map(
    ([name, { shape }]) => [name, floats(shape as number[], () => 0.1 * random.next() - 0.05)] as const,
  );
  const prompt = Array.from({ length: seq }, (_, n) => token(n));
  return {
    ...passInputs({ batch: 1, seq }, [{ row: 0, offset: 0, prompt, branches: [] }]),
    ...ropeInputs(config, seq),
    rows: integers([seq - 1], (n) => n),
    targets: integers([seq - 1], (n) => token(n + 1)),
    ...Object.fromEntries(factors),
  };
}

/** Feeds of a generation graph: one token for each of `batch` sequences after `past` earlier ones. */
export function generationFeeds({ config }: Decoder, batch: number, past: number): Record<string, HostArray> {
  const cache = Array.from({ length: config.layers }, (_, n) => n).flatMap((layer) =>
    ['keys', 'values'].map((kind) => {
      const shape = [batch, config.kvHeads, past, config.headDim];
      return [`past.${layer}.${kind}`, floats(shape, (n) => Math.sin(n + layer))] as const;
    }),
  );
  const tokens = Array.from({ length: batch }, (_, row) => row % config.vocab);
  const lengths = Array<number>(batch).fill(past);
  const columns = floats([past], (n) => n);
  return { ...stepInputs(tokens, lengths), ...ropeInputs(config, past + 1), columns, ...Object.fromEntries(cache) };
}
