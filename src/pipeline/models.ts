// A configuration -> a run's models: their names in artefacts, where they are, how one is made.
import { isAbsolute, join, relative, resolve } from 'node:path';
import type { ModelDescription, ModelInit } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { keyedSeed } from '../hashing.ts';
import type { Checkpoint, ModelSource } from '../records.ts';
import type { Task } from '../task.ts';

/** Models outside the run directory, by the name that artefacts use for them. */
export type OutsideModels = Readonly<Record<string, string>>;

/** A model's place as artefacts name it: relative to the run directory inside it, `@name` outside. */
export function checkpointOf(dir: string, outside: OutsideModels, source: ModelSource, hash: string): Checkpoint {
  const name = (path: string) => {
    const known = Object.entries(outside).find(([, value]) => value === path);
    if (known !== undefined) return known[0];
    const inside = relative(resolve(dir), resolve(path));
    if (inside.startsWith('..') || isAbsolute(inside))
      throw new Error(`Expected a model inside ${dir} or one of the configured ones, got ${path}.`);
    return inside;
  };
  return { model: name(source.model), adapter: source.adapter === undefined ? null : name(source.adapter), hash };
}

/** The inverse of `checkpointOf`. */
export function sourceOf(dir: string, outside: OutsideModels, checkpoint: Checkpoint): ModelSource {
  const place = (name: string) => outside[name] ?? join(dir, name);
  const { model, adapter } = checkpoint;
  return adapter === null ? { model: place(model) } : { model: place(model), adapter: place(adapter) };
}

/** The configured models, by the names that artefacts use. */
export function outsideModels({ model, adapter, simulator, verifier }: Config): OutsideModels {
  const named: Record<string, string> = {};
  if (typeof model === 'string') named['@model'] = model;
  if (adapter !== null) named['@adapter'] = adapter;
  for (const [name, value] of [
    ['@simulator', simulator],
    ['@verifier', verifier],
  ] as const) {
    if (value === 'self') continue;
    named[name] = value.model;
    if (value.adapter !== null) named[`${name}-adapter`] = value.adapter;
  }
  return named;
}

/** A helper model; null: the policy itself. */
export async function helperOf(
  describe: (source: ModelSource) => Promise<ModelDescription>,
  outside: OutsideModels,
  name: '@simulator' | '@verifier',
): Promise<Checkpoint | null> {
  if (outside[name] === undefined) return null;
  const adapter = outside[`${name}-adapter`] === undefined ? null : `${name}-adapter`;
  const checkpoint = { model: name, adapter, hash: '' };
  const { hash } = await describe(sourceOf('.', outside, checkpoint));
  return { ...checkpoint, hash };
}

/**
 * What the run makes its model from; null: the model is given.
 * @throws SipfError 'unsupported' where the task has no tokenizer of its own.
 */
export function initOf({ model, seed }: Config, task: Task): ModelInit | null {
  if (typeof model === 'string') return null;
  const tokenizer = task.tokenizer?.();
  if (tokenizer === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected a task with its own tokenizer for model.init, got ${task.name}. Give --model, or use the task mini.`,
    );
  }
  const tokenizerConfig = task.tokenizerConfig?.();
  return { config: { ...model.init }, tokenizer, tokenizerConfig, seed: keyedSeed(seed, 'model', 0) };
}
