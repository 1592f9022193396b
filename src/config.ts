// Preset, file and dotted flags -> one checked configuration. Composes the stages' own options; leaves their meaning to the stages.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, SipfError } from './errors.ts';
import { AlignOptions, SftOptions } from './pipeline/align.ts';
import { EvaluateOptions } from './pipeline/evaluate-options.ts';
import { LabelOptions } from './pipeline/label-steps.ts';
import { MethodName } from './pipeline/methods.ts';
import { PairOptions } from './pipeline/pair-paths.ts';
import { PromptOptions } from './pipeline/prompt.ts';
import { SampleOptions } from './pipeline/sample-paths.ts';
import { ScoreOptions } from './pipeline/score-paths.ts';
import { PrmOptions } from './pipeline/train-prm.ts';
import { presetFor } from './presets.ts';
import { SandboxOptions } from './tasks/sandbox/open-sandbox.ts';

/** Where train questions come from. `data`: a file or folder of the user's; absent: the hub, or generated. */
export const TaskOptions = z.strictObject({
  name: z.string().default('mini'),
  data: z.string().nullable().default(null),
  /** The first n train questions. */
  limit: z.number().int().positive().nullable().default(null),
  /** Train questions with at most this many gold steps (warm-up and rounds; evaluation sees all). */
  maxGoldSteps: z.number().int().positive().nullable().default(null),
  /** Worked solutions are used of the first n train questions only; the others are questions with a checkable answer. null: of all. */
  solutions: z.number().int().min(0).nullable().default(null),
  /** Seed of generated tasks: apart from `seed`, so that runs with other seeds share their data. */
  seed: z.number().int().default(1),
});

/** A model made from nothing: a Hugging Face Llama config (what is absent is filled in) and the task's own tokenizer. */
export const ModelInitOptions = z.strictObject({
  hidden_size: z.number().int().positive().default(96),
  intermediate_size: z.number().int().positive().default(256),
  num_hidden_layers: z.number().int().positive().default(4),
  num_attention_heads: z.number().int().positive().default(4),
  num_key_value_heads: z.number().int().positive().default(4),
  max_position_embeddings: z.number().int().positive().default(256),
  rope_theta: z.number().positive().default(10_000),
  rms_norm_eps: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(true),
  initializer_range: z.number().positive().default(0.02),
});
export type ModelInitOptions = z.infer<typeof ModelInitOptions>;

/** `self`, or another local model (Hugging Face folder or .gguf): its path, or with an adapter. */
const Helper = z.union([
  z.literal('self'),
  z
    .string()
    .min(1)
    .transform((model) => ({ model, adapter: null })),
  z.strictObject({ model: z.string(), adapter: z.string().nullable().default(null) }),
]);

export const Config = z.strictObject({
  method: MethodName.default('sipf'),
  /** Rounds after the warm-up. */
  iterations: z.number().int().min(0).default(2),
  seed: z.number().int().min(0).default(0),
  /** A Hugging Face folder, a .gguf file, or {init: {...}} for a model made from nothing. */
  model: z.union([z.string(), z.strictObject({ init: ModelInitOptions.prefault({}) })]).default(''),
  adapter: z.string().nullable().default(null),
  task: TaskOptions.prefault({}),
  prompt: PromptOptions.prefault({}),
  sft: SftOptions.prefault({}),
  sampling: SampleOptions.prefault({}),
  simulator: Helper.default('self'),
  labels: LabelOptions.prefault({}),
  verifier: Helper.default('self'),
  prm: PrmOptions.prefault({}),
  score: ScoreOptions.prefault({}),
  pairs: PairOptions.prefault({}),
  align: AlignOptions.prefault({}),
  evaluate: EvaluateOptions.prefault({}),
  /** What runs the programs of code tasks. */
  sandbox: SandboxOptions.prefault({}),
});
export type Config = z.infer<typeof Config>;
export type ConfigInput = z.input<typeof Config>;

export interface ConfigSources {
  /** One name, or several joined by '+' or in a list; later ones win: `paper` goes with another. */
  readonly preset?: string | readonly string[] | undefined;
  /** A JSON file. */
  readonly file?: string | undefined;
  /** Dotted keys, e.g. {'sampling.temperature': '1.2'}. Text is read as JSON where it is JSON. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
}

type Tree = { [key: string]: unknown };

/** Defaults < presets (without what is meant for another task than the named one) < file < flags. Throws 'bad-config' naming the key (and the nearest one, where it is unknown), 'not-found' for the file. */
export async function loadConfig({ preset, file, flags = {} }: ConfigSources): Promise<Config> {
  const names = (typeof preset === 'string' ? [preset] : [...(preset ?? [])]).flatMap((name) => name.split('+'));
  const over = file === undefined ? {} : await readTree(file);
  const task = flags['task.name'] ?? (isTree(over.task) ? over.task.name : undefined);
  let tree: Tree = {};
  for (const name of names) tree = merge(tree, presetFor(name, typeof task === 'string' ? task : null) as Tree);
  tree = merge(tree, over);
  for (const [key, value] of Object.entries(flags)) tree = merge(tree, nest(key, parseFlag(key, value)));
  return parseConfig(tree);
}

/** Checks a plain object and fills in the defaults. */
export function parseConfig(tree: unknown): Config {
  const parsed = Config.safeParse(tree);
  if (parsed.success) return withLabelMode(parsed.data);
  const issues = parsed.error.issues.flatMap((issue) => explain(issue, tree));
  throw new SipfError('bad-config', issues.join('\n'), { cause: parsed.error });
}

/** Settles `labels.mode: auto`, and refuses scans where complete tallies are needed: before any rollout is spent. */
function withLabelMode(config: Config): Config {
  const { mode } = config.labels;
  const why =
    config.score.scorer === 'tallies'
      ? 'score.scorer tallies'
      : config.prm.targets === 'soft'
        ? 'prm.targets soft'
        : null;
  if (why !== null && mode === 'first-success') {
    throw new SipfError(
      'bad-config',
      `Expected labels.mode full (or auto) for ${why}, got first-success. Change one of them.`,
    );
  }
  const settled = mode !== 'auto' ? mode : why === null ? 'first-success' : 'full';
  return { ...config, labels: { ...config.labels, mode: settled } };
}

/** Every dotted key the configuration knows, in its own order. */
export function configKeys(): string[] {
  return keysOf(Config);
}

/** The keys in which two configurations differ, with both values. */
export function configDifference(a: unknown, b: unknown, prefix = ''): { key: string; from: unknown; to: unknown }[] {
  if (isTree(a) && isTree(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => configDifference(a[key], b[key], prefix === '' ? key : `${prefix}.${key}`));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [{ key: prefix, from: a, to: b }];
}

function merge(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(value) ? merge(old, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function nest(key: string, value: unknown): Tree {
  return key.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value) as Tree;
}

function parseFlag(key: string, value: unknown): unknown {
  if (typeof value !== 'string' || isTextKey(key)) return value === 'null' ? null : value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Keys whose value is a path or a name, and stays text even where it looks like a number. */
function isTextKey(key: string): boolean {
  return ['adapter', 'task.data', 'task.name', 'prompt.shotsFile', 'prompt.system', 'prompt.instruction'].includes(key);
}

async function readTree(file: string): Promise<Tree> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected a configuration file at ${file}, got ${messageOf(cause)}. Check the path.`,
      { cause },
    );
  }
  try {
    const tree: unknown = JSON.parse(text);
    if (isTree(tree)) return tree;
  } catch (cause) {
    throw new SipfError('bad-config', `Expected JSON in ${file}, got ${messageOf(cause)}. Fix the file.`, { cause });
  }
  throw new SipfError('bad-config', `Expected a JSON object in ${file}, got ${text.slice(0, 40)}. Fix the file.`);
}

function explain(issue: z.core.$ZodIssue, tree: unknown): string[] {
  const at = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const full = at === '' ? key : `${at}.${key}`;
      return `Expected a known configuration key, got ${full}. Did you mean ${nearest(full, configKeys())}?`;
    });
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().filter(({ code }) => code === 'unrecognized_keys');
    if (inner.length > 0)
      return inner.flatMap((found) => explain({ ...found, path: [...issue.path, ...found.path] }, tree));
  }
  const got = issue.path.reduce<unknown>((inner, key) => (isTree(inner) ? inner[String(key)] : undefined), tree);
  return [
    `Expected a valid value for ${at === '' ? 'the configuration' : at}, got ${(JSON.stringify(got) ?? 'none').slice(0, 80)}: ${issue.message}. Change that key.`,
  ];
}

function keysOf(schema: z.core.$ZodType, prefix = ''): string[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) {
    const nested = inner.options.flatMap((option) => keysOf(option, prefix));
    return [...new Set([prefix, ...nested])].filter((key) => key !== '');
  }
  if (!(inner instanceof z.ZodObject)) return prefix === '' ? [] : [prefix];
  return Object.entries(inner.shape).flatMap(([key, value]) =>
    keysOf(value as z.ZodType, prefix === '' ? key : `${prefix}.${key}`),
  );
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const wrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodNullable;
  return wrapped || schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

/** The candidate with the smallest edit distance: between the last parts among keys of the same section, a quarter more elsewhere. */
export function nearest(name: string, candidates: readonly string[]): string {
  const split = (key: string) => ({
    section: key.slice(0, Math.max(0, key.lastIndexOf('.'))),
    last: key.slice(key.lastIndexOf('.') + 1),
  });
  const own = split(name);
  let best = { key: candidates[0] ?? '', distance: Number.POSITIVE_INFINITY };
  for (const key of candidates) {
    const { section, last } = split(key);
    // A name that begins another one was most likely cut short; letters that differ count by their share of the longer name.
    const begun = own.last.length > 2 && last.startsWith(own.last);
    const names = begun ? 0 : editDistance(own.last, last) / Math.max(own.last.length, last.length);
    const distance = Math.min(
      names + (section === own.section ? 0 : 0.25),
      editDistance(name, key) / Math.max(name.length, key.length),
    );
    if (distance < best.distance) best = { key, distance };
  }
  return best.key;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
