// A process reward model, the words of a command -> its files in the forms that the words name.
import { join } from 'node:path';
import type { ModelStore } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { openProcessFolder } from '../io/process-folder.ts';
import type { ModelSource } from '../records.ts';

/** What stands for names in braces; disposing deletes what was written for it. */
export interface PrmFiles extends AsyncDisposable {
  readonly places: Readonly<Record<string, string>>;
}

/** @throws SipfError 'bad-config' where no word names the model. */
export function checkWords(words: readonly string[]): void {
  if (words.some((word) => /\{(?:model|prm)\}/.test(word))) return;
  throw new SipfError(
    'bad-config',
    `Expected {model} or {prm} in engine.scorer.launch, got ${words.join(' ')}. Name the files of the process reward model, which is another one in each round.`,
  );
}

/**
 * `{prm}` is the model's own folder as it is named here, `{model}` one with the model as a causal LM (docs/export.md), which is written where a word names it.
 * @throws SipfError 'unsupported' where the model has no such form; 'write-failed'.
 */
export async function openPrmFiles(
  { model, adapter }: ModelSource,
  words: readonly string[],
  store: Pick<ModelStore, 'exportModel'>,
): Promise<PrmFiles> {
  const prm = adapter ?? model;
  if (!words.some((word) => word.includes('{model}')))
    return { places: { prm }, [Symbol.asyncDispose]: async () => undefined };
  const folder = await openProcessFolder('served');
  try {
    const out = join(folder.path, 'prm');
    await store.exportModel({ model, adapter }, { to: 'prm-lm', out, card: '' });
    return { places: { prm, model: out }, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
