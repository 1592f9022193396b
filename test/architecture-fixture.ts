// A folder of test/fixtures/architectures -> its reference's numbers, and the logits of its weights.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph } from '../src/engine/graph.ts';
import type { Engine } from '../src/engine/runtime/session.ts';
import { type Decoder, decode, type ModelConfig } from '../src/models/architectures/architecture.ts';
import { readSafetensors, type Tensor } from '../src/models/files/safetensors.ts';
import { declareInputs, passInputs, ropeInputs } from '../src/models/pass-inputs.ts';
import type { ModelValues } from '../src/models/weights/graph-weights.ts';
import { fixtures } from './tiny-model.ts';

const architectures = join(fixtures, 'architectures');

export const ARCHITECTURE_FIXTURES: readonly string[] = readdirSync(architectures);

/** Tokens of a row, and where its completion starts. */
export interface Row {
  readonly ids: readonly number[];
  readonly start: number;
}

interface Reference {
  readonly completion_loss: number;
  readonly adapter_completion_loss: number;
  readonly greedy_prompt: number[];
  readonly greedy_continuation: number[];
}

export function architectureFixture(name: string) {
  const folder = join(architectures, name);
  const json = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown;
  return { folder, config: json('config.json') as ModelConfig, reference: json('reference.json') as Reference };
}

/** What transformers and PEFT computed, by name, and the rows that it was computed of, without padding. */
export async function readReference(name: string): Promise<{ tensors: Map<string, Tensor>; rows: readonly Row[] }> {
  const tensors = await readSafetensors(join(architectures, name, 'reference.safetensors'));
  const column = (key: string, row: number) => [...rowOf(tensors.get(key) as Tensor, row)];
  const rows = [0, 1].map((row) => {
    const length = column('attention_mask', row).reduce((a, b) => a + b);
    return { ids: column('input_ids', row).slice(0, length), start: column('completion_mask', row).indexOf(1) };
  });
  return { tensors, rows };
}

/** Row `row` of `[rows, ...]`: its first `tokens`, each of as many numbers as the tensor has for a token. */
export function rowOf({ data, shape }: Tensor, row: number, tokens = Number(shape[1])): Float32Array {
  const [, seq = 0, width = 1] = shape;
  return data.subarray(row * seq * width, (row * seq + tokens) * width);
}

/** Logits `[tokens of the row, vocab]` of each row. */
export async function logitsOf(
  engine: Engine,
  { decoder, values }: { readonly decoder: Decoder; readonly values: ModelValues },
  rows: readonly Row[],
): Promise<Float32Array[]> {
  const { config } = decoder;
  const graph = new Graph();
  const { parameters, feeds } = values.bind(graph);
  const { hidden } = decode(decoder, parameters, declareInputs(graph, config));
  const outputs = { logits: decoder.logits(parameters, hidden) };
  await using program = await engine.compile(graph, outputs, { prepack: false });
  const shape = { batch: rows.length, seq: Math.max(...rows.map(({ ids }) => ids.length)) };
  const placed = rows.map(({ ids }, row) => ({ row, offset: 0, prompt: ids, branches: [] }));
  const inputs = { ...passInputs(shape, placed), ...ropeInputs(config, shape.seq) };
  const data = (await program.run({ ...(await feeds()), ...inputs })).floats('logits');
  const logits = { data, shape: [shape.batch, shape.seq, config.vocab] };
  return rows.map(({ ids }, row) => rowOf(logits, row, ids.length));
}
