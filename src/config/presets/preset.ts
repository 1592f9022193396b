// What a preset is: a part of the configuration, words about it, and where its values come from.
import type { ConfigInput } from '../schema.ts';

/** Dotted keys of settings, or of whole sections -> where their values come from. The longest key that fits a setting holds. */
export type Sources = Readonly<Record<string, string>>;

export interface Preset {
  readonly config: ConfigInput;
  /** What it does and for which machine, as help and documentation show it. */
  readonly words: string;
  /** Of a preset that follows a publication: each of its settings has a source. Absent: all values are sipf's own. */
  readonly sources?: Sources;
  /** The model of the hub that its budget is for, where it leaves the model to the user. */
  readonly sizedFor?: string;
  /** It has no model and no task of its own: it goes on top of another preset, as in `gsm8k-smollm2+paper`. */
  readonly isLayer?: true;
}

/**
 * The source of the setting `key`; null: `sources` say nothing of it.
 * @example
 * sourceFor('sft.train.lora.rank', { 'sft.train': 'sft.py' }); // 'sft.py'
 */
export function sourceFor(key: string, sources: Sources): string | null {
  const parts = key.split('.');
  const names = parts.map((_, i) => parts.slice(0, parts.length - i).join('.'));
  const found = names.find((name) => Object.hasOwn(sources, name));
  return found === undefined ? null : (sources[found] ?? null);
}
