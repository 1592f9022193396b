// A LoRA training's factors -> which, where they start, and the PEFT adapter that holds them.
import { relative, resolve } from 'node:path';
import type { LoraOptions } from '../backend.ts';
import { SipfError, shown } from '../errors.ts';
import { exists } from '../io/file-bytes.ts';
import { HEAD } from '../models/architectures/output-head.ts';
import { type AdapterFiles, adapterScale, type LoraFactors, writeAdapter } from '../models/files/adapter-files.ts';
import type { OpenModel } from '../models/open-model.ts';
import { factorOf } from '../models/weights/adapted-weights.ts';
import { declaredWeights, linearLayers } from '../models/weights/declared-weights.ts';
import { isTarget } from '../models/weights/lora.ts';
import { type ScaledFactors, stackFactors } from '../models/weights/stack-factors.ts';
import { createRandom } from '../random.ts';
import { headStart, isHead, withHeadBias } from './prm-start.ts';
import type { NamedValues, TraineeArgs, TraineeFiles } from './trainee.ts';

export interface LoraFiles extends TraineeFiles {
  /** Linear layers that get factors. */
  readonly modules: readonly string[];
  /** An adapter of another shape that stays as it is below the new factors; null: none. */
  readonly below: AdapterFiles | null;
}

/**
 * Factors of `lora`'s shape. An adapter of that very shape is trained further; one of another shape stays as it is below the new factors,
 * and the result is one adapter that holds both (rank: the sum; scale: 1).
 * @throws SipfError 'bad-input' for an adapter or options that do not belong to the model and the objective.
 */
export function loraFiles(
  { model, objective, options: { seed } }: Pick<TraineeArgs, 'model' | 'objective' | 'options'>,
  lora: LoraOptions,
): LoraFiles {
  const prm = objective.kind === 'prm';
  const { adapter } = model;
  if (!prm && adapter && adapter.extra.size > 0) throw headOnPolicy(adapter);
  const modules = targetModules(model, lora);
  if (lora.dropout > 0 && modules.includes(HEAD)) throw headDropout();
  const sameShape = adapter !== null && isShape(adapter, lora, modules);
  const below = sameShape ? null : adapter;
  return {
    modules,
    below,
    initial: async (name, shape) =>
      isHead(name) ? headStart(model, name, shape, seed) : factorValue(name, shape, sameShape ? adapter : null, seed),
    async write(folder, values) {
      const baseModel = await nameOf(model.source.model, folder);
      return writeAdapter(folder, adapterOf(values, { baseModel, lora, below, prm }));
    },
  };
}

/** How an adapter names its base: a hub id as given, else its path from the adapter's folder, so that no absolute path gets into it. */
async function nameOf(base: string, folder: string): Promise<string> {
  return (await exists(base)) ? relative(resolve(folder), resolve(base)) : base;
}

/** Linear layers that the targets name. */
function targetModules({ decoder }: OpenModel, { targets }: LoraOptions): string[] {
  const { modules } = declaredWeights(decoder);
  const named = targets === 'all-linear' ? [] : targets;
  const unknown = named.find((target) => !modules.some((module) => isTarget(module, [target])));
  if (unknown === undefined) return modules.filter((module) => isTarget(module, targets));
  throw new SipfError(
    'bad-config',
    `Expected LoRA targets among ${linearLayers(decoder).join(', ')}, got ${shown(unknown)}. Correct lora.targets.`,
  );
}

function isShape(adapter: AdapterFiles, { rank, alpha }: LoraOptions, modules: readonly string[]): boolean {
  const same = adapter.tensors.size === modules.length && modules.every((module) => adapter.tensors.has(module));
  return same && adapter.rank === rank && adapterScale(adapter) === alpha / rank;
}

function headOnPolicy({ extra }: AdapterFiles): SipfError {
  return new SipfError(
    'bad-input',
    `Expected a policy's adapter to train a policy from, got one with ${[...extra.keys()].join(', ')}: a reward model's. Give the policy's adapter.`,
  );
}

function headDropout(): SipfError {
  return new SipfError(
    'unsupported',
    'Expected no lora.dropout with lm_head among lora.targets, got both: the head sees selected tokens only. Leave lm_head out, or set dropout 0.',
  );
}

/** PEFT's start: A uniform in +-1 / sqrt(in) (kaiming_uniform with a = sqrt 5), B zero. */
function factorValue(name: string, shape: readonly number[], adapter: AdapterFiles | null, seed: number): Float32Array {
  const [module, half] = factorOf(name);
  if (adapter) return (adapter.tensors.get(module) as LoraFactors)[half];
  const length = shape.reduce((product, n) => product * n, 1);
  if (half === 'b') return new Float32Array(length);
  const [random, bound] = [createRandom(`lora/${seed}/${name}`), 1 / Math.sqrt(shape[1] as number)];
  return Float32Array.from({ length }, () => bound * (2 * random.next() - 1));
}

interface AdapterArgs {
  readonly baseModel: string;
  readonly lora: LoraOptions;
  readonly below: AdapterFiles | null;
  readonly prm: boolean;
}

function adapterOf(values: NamedValues, { baseModel, lora, below, prm }: AdapterArgs): AdapterFiles {
  const trained = new Map<string, { a: Float32Array; b: Float32Array }>();
  const extra = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, value] of withHeadBias(values)) {
    if (isHead(name)) {
      extra.set(name, value);
      continue;
    }
    const [module, half] = factorOf(name);
    const known = trained.get(module) ?? { a: value.data, b: value.data };
    trained.set(module, { ...known, [half]: value.data });
  }
  const stacked = below ? stackOn(below, trained, lora) : { rank: lora.rank, alpha: lora.alpha, tensors: trained };
  return {
    ...stacked,
    dropout: lora.dropout,
    targets: [
      ...new Set([...stacked.tensors.keys()].map((module) => module.slice(module.lastIndexOf('.') + 1))),
    ].sort(),
    useRslora: false,
    taskType: prm ? 'TOKEN_CLS' : 'CAUSAL_LM',
    baseModel,
    extra,
  };
}

function stackOn(below: AdapterFiles, trained: ReadonlyMap<string, LoraFactors>, lora: LoraOptions) {
  const part = (factors: LoraFactors | undefined, rank: number, scale: number): ScaledFactors | { rank: number } =>
    factors ? { ...factors, rank, scale } : { rank };
  const modules = [...new Set([...below.tensors.keys(), ...trained.keys()])].sort();
  const rank = below.rank + lora.rank;
  const tensors = new Map(
    modules.map((module) => [
      module,
      stackFactors([
        part(below.tensors.get(module), below.rank, adapterScale(below)),
        part(trained.get(module), lora.rank, lora.alpha / lora.rank),
      ]),
    ]),
  );
  return { rank, alpha: rank, tensors };
}
