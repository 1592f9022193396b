// Presets -> their whole configuration, and where the value of each setting comes from.
import { loadConfig } from './load.ts';
import { sourceFor } from './presets/preset.ts';
import { PRESET_LIST, presetNamed } from './presets.ts';
import type { Config } from './schema.ts';

/** A setting of a configuration that was made of presets. */
export interface PresetSetting {
  /** Dotted. */
  readonly key: string;
  readonly value: unknown;
  /** The preset that sets it; null: the default. */
  readonly preset: string | null;
  /** What that preset says of its source; null: the value is sipf's own. */
  readonly source: string | null;
}

/**
 * The configuration that presets joined by '+' stand for, setting by setting.
 * @throws SipfError 'bad-config' for a name that is no preset, with the nearest.
 * @example
 * const { settings } = await presetSettings('gsm8k-gemma-2b');
 * console.log(settings.find(({ key }) => key === 'sft.train.lora.rank'));
 */
export async function presetSettings(
  name: string,
): Promise<{ readonly config: Config; readonly settings: readonly PresetSetting[] }> {
  const names = name.split('+');
  for (const one of names) presetNamed(one);
  const config = await loadConfig({ preset: names });
  const settings = leavesOf(config, '').map(([key, value]) => {
    const preset = names.findLast((one) => sets(presetNamed(one), key.split('.'))) ?? null;
    const sources = preset === null ? undefined : PRESET_LIST[preset]?.sources;
    return { key, value, preset, source: sources === undefined ? null : sourceFor(key, sources) };
  });
  return { config, settings };
}

/** Values that hold no settings, by their keys. */
export function leavesOf(tree: unknown, prefix: string): [string, unknown][] {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return [[prefix, tree]];
  return Object.entries(tree)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) => leavesOf(value, prefix === '' ? key : `${prefix}.${key}`));
}

/** Whether `tree` has a value at `path`, or one for the whole of a section above it. */
function sets(tree: unknown, path: readonly string[]): boolean {
  const [first, ...rest] = path;
  if (first === undefined || typeof tree !== 'object' || tree === null || Array.isArray(tree)) return true;
  const inner = Reflect.get(tree, first) as unknown;
  return inner !== undefined && sets(inner, rest);
}
