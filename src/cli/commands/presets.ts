// sipf presets: all presets in a table, or the configuration of one with the source of each setting.
import { Command } from 'commander';
import { loadConfig } from '../../config/load.ts';
import { type PresetSetting, presetSettings } from '../../config/preset-settings.ts';
import type { Preset } from '../../config/presets/preset.ts';
import { PRESET_LIST } from '../../config/presets.ts';
import type { Config } from '../../config/schema.ts';
import type { RunEstimate } from '../../pipeline/estimate.ts';
import { presetCost } from '../../pipeline/preset-cost.ts';
import { finish } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { renderTable, wrap } from './show-steps.ts';

const GIB = 2 ** 30;

export function presetsCommand(terminal: Terminal): Command {
  return finish(
    new Command('presets')
      .description('List the presets, or show the whole configuration of one and where each value comes from.')
      .argument('[name]', 'a preset, or several as a+b'),
    'print [{name, words, model, task, needs, memoryBytes, flops}]; of one {name, words, config, sources}',
    'sipf presets',
    'sipf presets gsm8k-gemma-2b',
  ).action(async (name: string | undefined, { json = false }: { readonly json?: boolean }) =>
    name === undefined ? printAll(json, terminal) : printOne(name, json, terminal),
  );
}

/** A preset as the table has it. */
interface Row {
  readonly name: string;
  readonly words: string;
  /** null: the user names it, or another preset does. */
  readonly model: string | null;
  readonly task: string | null;
  /** What the user gives, or has ready. */
  readonly needs: readonly string[];
  /** Peak, and model FLOPs of the whole run; null: of a layer, or where the size of model or data is the user's. */
  readonly memoryBytes: number | null;
  readonly flops: number | null;
}

async function printAll(json: boolean, terminal: Terminal): Promise<void> {
  const rows = await Promise.all(Object.entries(PRESET_LIST).map(([name, preset]) => rowOf(name, preset)));
  if (json) return await terminal.print(JSON.stringify(rows));
  const head = ['preset', 'model', 'task', 'needs', 'GiB', 'FLOPs'];
  const cells = rows.map(({ name, model, task, needs, memoryBytes, flops }) => [
    name,
    model ?? '-',
    task ?? '-',
    needs.join(', '),
    memoryBytes === null ? '-' : (memoryBytes / GIB).toFixed(1),
    flops === null ? '-' : flops.toExponential(0),
  ]);
  for (const line of renderTable([head, ...cells], terminal.colors)) await terminal.print(line);
  for (const line of wrap(NOTE, terminal.columns)) await terminal.print(terminal.colors.dim(line));
}

const NOTE =
  'GiB: peak memory. FLOPs: model FLOPs of the whole run. 1e+15 of them take three hours at 100 GFLOPS, which two cores sustain, and two minutes at 10 TFLOPS. Both are estimates with 30 % of rollouts right; --dry-run measures. sipf presets NAME shows a whole configuration.';

async function rowOf(name: string, preset: Preset): Promise<Row> {
  const { config, words, sizedFor = null, isLayer = false } = preset;
  const whole = await loadConfig({ preset: name });
  const cost: RunEstimate | null = isLayer ? null : presetCost(whole, sizedFor);
  return {
    name,
    words,
    model: isLayer ? null : modelOf(whole),
    task: config.task?.name ?? null,
    needs: isLayer ? ['another preset: a+b'] : needsOf(whole),
    memoryBytes: cost?.memoryBytes ?? null,
    flops: cost?.total.flops ?? null,
  };
}

function modelOf({ model }: Config): string | null {
  if (typeof model !== 'string') return 'made from nothing';
  return model === '' ? null : model;
}

/** Hub models whose terms must be accepted. */
const GATED = /^google\//;

function needsOf({ model, task, simulator, verifier, engine }: Config): string[] {
  const helpers = [...new Set([simulator, verifier].flatMap((helper) => (helper === 'self' ? [] : [helper.model])))];
  const isGiven = typeof model !== 'string' || model !== '';
  return [
    ...(isGiven ? [] : ['--model']),
    ...(typeof model === 'string' && GATED.test(model) ? ['HF_TOKEN'] : []),
    ...helpers,
    ...(task.name === 'jsonl' ? ['--data'] : []),
    ...(['gsm8k', 'mbpp'].includes(task.name) ? ['network or --data'] : []),
    ...(engine.provider === 'webgpu' ? ['a GPU'] : []),
  ];
}

async function printOne(name: string, json: boolean, terminal: Terminal): Promise<void> {
  const { config, settings } = await presetSettings(name);
  const parts = name.split('+').flatMap((one) => PRESET_LIST[one] ?? []);
  const words = parts.map((preset) => preset.words).join(' ');
  if (json) {
    const sources = Object.fromEntries(settings.map((setting) => [setting.key, describeSource(setting)]));
    return await terminal.print(JSON.stringify({ name, words, config, sources }));
  }
  const { colors, columns } = terminal;
  for (const line of wrap(words, columns)) await terminal.print(line);
  const cost = presetCost(config, parts.find(({ sizedFor }) => sizedFor)?.sizedFor ?? null);
  if (cost !== null)
    await terminal.print(
      `About ${(cost.memoryBytes / GIB).toFixed(1)} GiB of memory and ${cost.total.flops.toExponential(0)} model FLOPs.`,
    );
  await terminal.print('');
  const width = Math.max(...settings.map(({ key }) => key.length));
  for (const setting of settings) {
    const value = JSON.stringify(setting.value).padEnd(VALUE_WIDTH);
    await terminal.print(`${setting.key.padEnd(width)}  ${value}  ${colors.dim(describeSource(setting))}`);
  }
}

/** Of most values; a longer one moves its source to the right. */
const VALUE_WIDTH = 14;

function describeSource({ preset, source }: PresetSetting): string {
  if (preset === null) return 'default';
  return source ?? `preset ${preset}`;
}
