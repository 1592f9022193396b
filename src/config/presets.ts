// A preset's name -> the configuration it stands for, as a partial tree.
import { SipfError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { QUICKSTART, QUICKSTART_CODE, SMOKE } from './presets/generated.ts';
import { GSM8K_GEMMA, GSM8K_PHI, GSM8K_TINYLLAMA, MBPP_GEMMA, PAPER } from './presets/paper.ts';
import type { Preset } from './presets/preset.ts';
import {
  GPU,
  GSM8K_GEMMA_270M,
  GSM8K_QWEN,
  GSM8K_SMOLLM2,
  GSM8K_SMOLLM2_135M,
  GSM8K_SMOLLM2_360M,
  MBPP_SMOLLM2,
  OWN_DATA,
} from './presets/small-models.ts';
import type { ConfigInput } from './schema.ts';

/** Every preset with its words and sources, in the order of lists. */
export const PRESET_LIST: Readonly<Record<string, Preset>> = {
  smoke: SMOKE,
  quickstart: QUICKSTART,
  'gsm8k-smollm2': GSM8K_SMOLLM2,
  paper: PAPER,
  'quickstart-code': QUICKSTART_CODE,
  'mbpp-smollm2': MBPP_SMOLLM2,
  'own-data': OWN_DATA,
  gpu: GPU,
  'gsm8k-smollm2-135m': GSM8K_SMOLLM2_135M,
  'gsm8k-smollm2-360m': GSM8K_SMOLLM2_360M,
  'gsm8k-gemma-3-270m': GSM8K_GEMMA_270M,
  'gsm8k-qwen2.5-0.5b': GSM8K_QWEN,
  'gsm8k-gemma-2b': GSM8K_GEMMA,
  'gsm8k-tinyllama': GSM8K_TINYLLAMA,
  'gsm8k-phi-1.5': GSM8K_PHI,
  'mbpp-gemma-2b': MBPP_GEMMA,
};

const everyPreset = Object.entries(PRESET_LIST);

export const PRESETS: Readonly<Record<string, ConfigInput>> = Object.fromEntries(
  everyPreset.map(([name, { config }]) => [name, config]),
);

/** What each preset does, for which machine, in the words that help and documentation show. */
export const PRESET_WORDS: Readonly<Record<string, string>> = Object.fromEntries(
  everyPreset.map(([name, { words }]) => [name, words]),
);

/**
 * The preset called `name`.
 * @throws SipfError 'bad-config' naming the presets there are.
 */
export function presetNamed(name: string): ConfigInput {
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (preset !== undefined) return preset;
  throw new SipfError(
    'bad-config',
    `Expected a preset of ${Object.keys(PRESETS).join(', ')}, got ${name}. Did you mean ${nearest(name, Object.keys(PRESETS))}?`,
  );
}

/** The preset without what is meant for its own task alone, where another `task` is named: its questions, and the sets of third tasks. */
export function presetFor(name: string, task: string | null): Readonly<Record<string, unknown>> {
  const preset = presetNamed(name);
  const own = preset.task?.name;
  if (own === undefined || task === null || task.split('+').includes(own)) return preset;
  const { task: _task, evaluate = {}, ...rest } = preset;
  const ofAny = (set: { readonly name?: string | null | undefined }) => (set.name ?? null) === null;
  const kept = Object.entries(evaluate).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.filter(ofAny) : value,
  ]);
  return { ...rest, evaluate: Object.fromEntries(kept) };
}

/** Whether a configuration is (a variant of) smoke: a run of it shows that things run, and its figures mean nothing. */
export function isOnlyCheck({ model, task }: ConfigInput): boolean {
  return includes({ model, task }, { model: SMOKE.config.model, task: SMOKE.config.task });
}

/** Whether `tree` has every value of `part`. */
function includes(tree: unknown, part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return tree === part;
  return Object.entries(part).every(([key, value]) => includes((tree as Record<string, unknown> | null)?.[key], value));
}
