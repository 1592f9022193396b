// A configuration -> the models of a run: what each is called in artefacts, what one that the run makes is made of. Leaves running them to backends.
import type { Backend, ModelInit } from '../backend.ts';
import { type OutsideModels, sourceOf } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { keyedSeed } from '../hashing.ts';
import type { Checkpoint } from '../records.ts';
import type { Task } from '../task.ts';

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
  backend: Backend,
  outside: OutsideModels,
  name: '@simulator' | '@verifier',
): Promise<Checkpoint | null> {
  if (outside[name] === undefined) return null;
  const adapter = outside[`${name}-adapter`] === undefined ? null : `${name}-adapter`;
  const checkpoint = { model: name, adapter, hash: '' };
  const { hash } = await backend.facts(sourceOf('.', outside, checkpoint));
  return { ...checkpoint, hash };
}

/** What the run makes its model from; null: the model is given. Throws 'unsupported' for a task without a tokenizer of its own. */
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
