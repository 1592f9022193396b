// Sizes -> a decoder's training graph and its generation graph with random weights in a file, and arrays to feed them. Leaves training and sampling out.
import { closeSync, openSync, writeSync } from 'node:fs';
import { gradients } from '../../src/engine/backward.ts';
import { neg, reduceMean, tokenLogp } from '../../src/engine/build.ts';
import { Graph, type Tensor, type WeightSlice } from '../../src/engine/graph.ts';
import type { HostArray } from '../../src/engine/runtime/session.ts';
import {
  type DecoderConfig,
  type DecoderInputs,
  decode,
  decoderInputs,
  rowsAt,
} from '../../src/models/architectures/decoder.ts';
import { llama } from '../../src/models/architectures/llama.ts';
import { FrozenParameters, type Parameters } from '../../src/models/architectures/parameters.ts';
import { ropeTables } from '../../src/models/architectures/rope.ts';
import { LoraParameters } from '../../src/models/weights/lora.ts';
import { createRandom } from '../../src/random.ts';

export interface Built {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Inputs named as PEFT names them. */
  readonly adapter: ReadonlyMap<string, Tensor>;
}

export const SMALL: DecoderConfig = configOf({
  vocab: 96,
  hidden: 32,
  intermediate: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
});

export function configOf(
  sizes: Pick<DecoderConfig, 'vocab' | 'hidden' | 'intermediate' | 'layers' | 'heads' | 'kvHeads'>,
): DecoderConfig {
  const headDim = sizes.hidden / sizes.heads;
  const ropeFrequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 10_000 ** ((-2 * i) / headDim));
  return { ...sizes, headDim, contextLength: 2048, epsilon: 1e-5, tied: true, ropeFrequencies };
}

/** Names and shapes of a Llama's weights. */
function shapesOf({
  vocab,
  hidden,
  intermediate,
  layers,
  heads,
  kvHeads,
  headDim,
}: DecoderConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>([
    ['model.embed_tokens.weight', [vocab, hidden]],
    ['model.norm.weight', [hidden]],
  ]);
  for (let layer = 0; layer < layers; layer++) {
    const name = `model.layers.${layer}`;
    for (const norm of ['input_layernorm', 'post_attention_layernorm']) shapes.set(`${name}.${norm}.weight`, [hidden]);
    shapes.set(`${name}.self_attn.q_proj.weight`, [heads * headDim, hidden]);
    for (const kv of ['k_proj', 'v_proj']) shapes.set(`${name}.self_attn.${kv}.weight`, [kvHeads * headDim, hidden]);
    shapes.set(`${name}.self_attn.o_proj.weight`, [hidden, heads * headDim]);
    for (const up of ['gate_proj', 'up_proj']) shapes.set(`${name}.mlp.${up}.weight`, [intermediate, hidden]);
    shapes.set(`${name}.mlp.down_proj.weight`, [hidden, intermediate]);
  }
  return shapes;
}

/** Where each weight lies in `file`, one after the other. */
export function layOut(config: DecoderConfig, file: string): Map<string, WeightSlice> {
  const slices = new Map<string, WeightSlice>();
  let offset = 0;
  for (const [name, shape] of shapesOf(config)) {
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
export function trainingGraph(config: DecoderConfig, slices: ReadonlyMap<string, WeightSlice>, rank: number): Built {
  const graph = new Graph();
  const shape = { rank, scale: 2, targets: 'all-linear', dropout: 0 } as const;
  const parameters = new LoraParameters(new FrozenParameters(graph, slices), shape);
  const inputs = decoderInputs(graph, config, 'seq', false);
  const logits = project(parameters, config, inputs);
  const loss = neg(reduceMean(tokenLogp(logits, graph.input('targets', 'int64', ['rows']))));
  const derivatives = gradients(loss, [...parameters.inputs.values()]);
  const named = [...parameters.inputs.keys()].map((name, n) => [name, derivatives[n] as Tensor] as const);
  return { graph, outputs: { loss, ...Object.fromEntries(named) }, adapter: parameters.inputs };
}

function project(parameters: Parameters, config: DecoderConfig, inputs: DecoderInputs): Tensor {
  const { hidden } = decode(llama, parameters, config, inputs);
  return llama.logits(parameters, config, rowsAt(hidden, parameters.graph.input('rows', 'int64', ['rows'])));
}

/** One token after a cache: logits `[batch, 1, vocab]` and the new rows of the cache. */
export function generationGraph(config: DecoderConfig, slices: ReadonlyMap<string, WeightSlice>): Built {
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, slices);
  const { hidden, present } = decode(llama, parameters, config, decoderInputs(graph, config, 1, true));
  const cache = present.flatMap(({ keys, values }, n) => [
    [`keys${n}`, keys] as const,
    [`values${n}`, values] as const,
  ]);
  return {
    graph,
    outputs: { logits: llama.logits(parameters, config, hidden), ...Object.fromEntries(cache) },
    adapter: new Map(),
  };
}

const floats = (shape: readonly number[], value: (n: number) => number): HostArray => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => value(n)),
  shape,
});
const integers = (shape: readonly number[], value: (n: number) => number): HostArray => ({
  data: BigInt64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, n) => BigInt(value(n))),
  shape,
});

function tables(config: DecoderConfig, positions: number): Record<string, HostArray> {
  const { cos, sin } = ropeTables(config.ropeFrequencies, positions);
  const shape = [positions, config.ropeFrequencies.length];
  return { cos: { data: cos, shape }, sin: { data: sin, shape } };
}

/** Feeds of a training graph: `seq` tokens, every one but the last predicting the next. */
export function trainingFeeds(config: DecoderConfig, { adapter }: Built, seq: number): Record<string, HostArray> {
  const random = createRandom('adapter');
  const token = (n: number) => (n * 31) % config.vocab;
  const factors = [...adapter].map(
    ([name, { shape }]) => [name, floats(shape as number[], () => 0.1 * random.next() - 0.05)] as const,
  );
  return {
    ids: integers([1, seq], token),
    positions: integers([1, seq], (n) => n),
    bias: floats([1, 1, seq, seq], (n) => (n % seq > Math.floor(n / seq) ? -1e9 : 0)),
    rows: integers([seq - 1], (n) => n),
    targets: integers([seq - 1], (n) => token(n + 1)),
    ...tables(config, seq),
    ...Object.fromEntries(factors),
  };
}

/** Feeds of a generation graph: one token for each of `batch` sequences after `past` earlier ones. */
export function generationFeeds(config: DecoderConfig, batch: number, past: number): Record<string, HostArray> {
  const cache = Array.from({ length: config.layers }, (_, n) => n).flatMap((layer) =>
    ['keys', 'values'].map((kind) => {
      const shape = [batch, config.kvHeads, past, config.headDim];
      return [`past.${layer}.${kind}`, floats(shape, (n) => Math.sin(n + layer))] as const;
    }),
  );
  return {
    ids: integers([batch, 1], (n) => n % config.vocab),
    positions: integers([batch, 1], () => past),
    bias: floats([batch, 1, 1, past + 1], () => 0),
    ...tables(config, past + 1),
    ...Object.fromEntries(cache),
  };
}
