// A model's weights and a PEFT adapter -> weights with the adapter merged in.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { add, matmul } from '../../engine/build.ts';
import { Graph } from '../../engine/graph.ts';
import type { Engine, Program } from '../../engine/runtime/session.ts';
import { printable, SipfError, throwIfAborted } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { openProcessFolder } from '../../io/process-folder.ts';
import { type AdapterFiles, adapterScale, type LoraFactors } from '../files/adapter-files.ts';
import {
  readSafetensorsHeader,
  readTensor,
  type TensorEntry,
  type TensorToWrite,
  writeSafetensors,
} from '../files/safetensors.ts';
import type { OpenModel } from '../open-model.ts';

/**
 * The weights of `files`, ready for a session: with W + scale · B A for every module of the adapter, and its fully trained heads.
 * Disposing deletes what was written for them, once no session needs it.
 * @throws SipfError 'bad-input' where a sum is no number, 'write-failed' where the disk refuses.
 */
export async function mergeWeights(
  engine: Engine,
  { source, files, adapter }: Pick<OpenModel, 'source' | 'files' | 'adapter'>,
  options: CacheOptions = {},
): Promise<AsyncDisposable & { readonly slices: ReadonlyMap<string, TensorEntry> }> {
  const base = await files.weights();
  if (adapter === null) return { slices: base, [Symbol.asyncDispose]: async () => {} };
  await using merger = await compileMerge(engine);
  const folder = await openProcessFolder('merged', options);
  const remove = () => folder[Symbol.asyncDispose]();
  const merge: Merge = { base, adapter, of: source.adapter ?? 'none', merger };
  try {
    const names = [...adapter.tensors.keys()].map((path) => `${path}.weight`);
    // Sessions need all weight files on one disk: where the originals lie on another, all tensors are written.
    const written = (await onOneDisk(folder.path, base)) ? names : [...base.keys()];
    const tensors = [
      ...written.filter((name) => !adapter.extra.has(name)).map((name) => tensorToWrite(name, merge, options.signal)),
      ...[...adapter.extra].map(([name, { shape, data }]): TensorToWrite => ({ name, shape, data })),
    ];
    const file = join(folder.path, 'merged.safetensors');
    await writeSafetensors(file, tensors);
    const entries = [...(await readSafetensorsHeader(file))].map(
      ([name, entry]) => [name, { ...entry, from: originOf(name, merge) }] as const,
    );
    return { slices: new Map([...base, ...entries]), [Symbol.asyncDispose]: remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

/** `W [out, in] + scale · (B [out, rank] A [rank, in])`; the sizes are bound by each run. */
function compileMerge(engine: Engine): Promise<Program> {
  const graph = new Graph();
  const [w, a, b] = [
    graph.input('w', 'float32', ['out', 'in']),
    graph.input('a', 'float32', ['rank', 'in']),
    graph.input('b', 'float32', ['out', 'rank']),
  ];
  return engine.compile(graph, { merged: add(w, matmul(b, a)) }, { prepack: false, keep: true });
}

interface Merge {
  readonly base: ReadonlyMap<string, TensorEntry>;
  readonly adapter: AdapterFiles;
  /** The adapter's folder. */
  readonly of: string;
  readonly merger: Program;
}

function tensorToWrite(
  name: string,
  { base, adapter, of, merger }: Merge,
  signal: AbortSignal | undefined,
): TensorToWrite {
  const slice = base.get(name) as TensorEntry;
  const factors = adapter.tensors.get(name.replace(/\.weight$/, ''));
  return {
    name,
    shape: slice.shape,
    data: async function* () {
      throwIfAborted(signal);
      const { data } = await readTensor(name, slice);
      if (!factors) {
        yield data;
        return;
      }
      const sum = await merged(merger, data, slice.shape, factors, adapter);
      if (data.every(Number.isFinite) && !sum.every(Number.isFinite)) throw overflow(name, of, adapter);
      yield sum;
    },
  };
}

function overflow(name: string, folder: string, adapter: AdapterFiles): SipfError {
  return new SipfError(
    'bad-input',
    `Expected numbers from ${printable(name)} with the adapter ${folder} added, got infinity: lora_alpha ${adapter.alpha} or its factors are too large. Restore the adapter, or use another one.`,
  );
}

/** In words: the file of the base, the adapter, or both. */
function originOf(name: string, { base, of }: Merge): string {
  const slice = base.get(name);
  return slice ? `${slice.from ?? slice.file} with the adapter ${of}` : `the adapter ${of}`;
}

async function merged(
  merger: Program,
  data: Float32Array,
  shape: readonly number[],
  { a, b }: LoraFactors,
  adapter: AdapterFiles,
): Promise<Float32Array> {
  const [out, width] = shape as [number, number];
  const scale = adapterScale(adapter);
  const result = await merger.run({
    w: { data, shape },
    a: { data: a, shape: [adapter.rank, width] },
    b: { data: b.map((value) => value * scale), shape: [out, adapter.rank] },
  });
  return result.floats('merged');
}

async function onOneDisk(folder: string, base: ReadonlyMap<string, TensorEntry>): Promise<boolean> {
  const { dev } = await stat(folder);
  for (const file of new Set([...base.values()].map((slice) => slice.file))) {
    if ((await stat(file)).dev !== dev) return false;
  }
  return true;
}
