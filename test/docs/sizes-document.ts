// Committed measurements and the formulas of --dry-run -> docs/sizes.md. `npm run docs` writes it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { parseConfig } from '../../src/config/load.ts';
import { PRESETS } from '../../src/config/presets.ts';
import type { Config } from '../../src/config/schema.ts';
import { type Calibration, estimate, type RunEstimate } from '../../src/pipeline/estimate.ts';
import { table } from './settings-document.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const Speed = z.object({ tokensPerSecond: z.number() });
const Bench = z.object({
  gemmPeakGflops: z.number(),
  training: z.object({ sft: Speed, orpo: Speed }),
  prefill: Speed,
  decode: z.record(z.string(), Speed),
});
type Bench = z.infer<typeof Bench>;

/** What `npm run bench` measures has this many parameters (SmolLM2-135M's shape). */
const BENCHED = 134.5e6;
const MODELS = [
  ['SmolLM2-135M', 134.5e6],
  ['SmolLM2-360M', 361.8e6],
  ['TinyLlama-1.1B', 1100e6],
  ['SmolLM2-1.7B', 1711e6],
] as const;
const STAGES = [
  ['warm-up', ['6-policy'], (iteration: number) => iteration === 0],
  ['sampling', ['1-samples'], () => true],
  ['labels', ['2-step-labels'], () => true],
  ['PRM', ['3-prm'], () => true],
  ['scores', ['4-scores'], () => true],
  ['alignment', ['6-policy'], (iteration: number) => iteration > 0],
  ['control', ['continued-sft'], () => true],
  ['evaluation', ['7-eval', 'final'], () => true],
] as const;

const HEAD = `# Sizes

Made by \`npm run docs\`: measured figures from the committed result files, estimated ones from the formulas of \`--dry-run\` (\`src/pipeline/estimate.ts\`).
For your model, data and machine ask \`sipf run ... --dry-run\`: it measures speeds first, in about a minute.`;

export function sizesDocument(): string {
  const cpu = benchOf('bench.json');
  const gpu = benchOf('bench-webgpu-h200.json');
  const peak = cpu.gemmPeakGflops.toFixed(0);
  return `${[
    HEAD,
    '## Measured: speed',
    'Tokens a second at the 135M Llama shape, LoRA of rank 16, by `npm run bench` and `npm run bench -- --provider webgpu` (`experiments/bench/`).',
    speeds([
      [`2 cores, ${peak} GFLOPS`, cpu],
      [`NVIDIA H200 by WebGPU, ${gpu.gemmPeakGflops.toFixed(0)} GFLOPS`, gpu],
    ]),
    '## Measured: whole runs',
    'On 2 cores, each with its command in [results.md](results.md) or the README.',
    table(
      ['preset', 'model', 'time'],
      [
        ['`quickstart`', '0.5M parameters, from nothing', 'three and a half minutes (README)'],
        ['`gsm8k-smollm2`', 'SmolLM2-135M, LoRA', '1 h 47 min'],
        ['a slice of `mbpp-smollm2`', 'SmolLM2-135M, LoRA', '1 h 58 min'],
      ],
    ),
    '## Estimated: memory',
    'GiB at the peak of training with `tokensPerPass` 1,024, for `activationsGiB` 8 (the default) and 2, which trades time for memory. Weights are held as 32-bit numbers, whatever the file holds. LoRA has rank 16.',
    memory(),
    '## Estimated: hours',
    `The preset \`gsm8k-smollm2\` with another model, on 2 cores with a GEMM peak of ${peak} GFLOPS. Speeds of the larger models are those of 135M, divided by the size: the same share of the peak is assumed, not measured. Of these only SmolLM2-135M has been run through the loop. Hours fall as the peak that \`npm run bench\` prints rises.`,
    hours(cpu),
    assumptions(cpu),
    'Longer texts, a larger `sampling.questions`, `labels.paths` or `labels.K` cost in proportion. Labels cost more where fewer rollouts are right: at 3 % instead of 30 % two to three times as much ([results.md](results.md)). So `--dry-run` samples paths of 32 questions and labels some of them: its tokens of labels are within a quarter of what scripted models then spend (`test/e2e/dry-run-labels.test.ts`).',
  ].join('\n\n')}\n`;
}

function benchOf(file: string): Bench {
  return Bench.parse(JSON.parse(readFileSync(join(root, 'experiments', 'bench', file), 'utf8')));
}

function speeds(machines: readonly (readonly [string, Bench])[]): string {
  const row = ([name, { training, prefill, decode }]: readonly [string, Bench]) => [
    name,
    ...[training.sft, training.orpo, prefill, decode['1'], decode['32'], decode['128']].map((speed) =>
      (speed?.tokensPerSecond ?? 0).toFixed(0),
    ),
  ];
  return table(['machine', 'SFT', 'ORPO', 'prefill', 'decode, batch 1', 'batch 32', 'batch 128'], machines.map(row));
}

function settingsFor(lora: object | null, activationsGiB: number): Config {
  const train = { lora, activationsGiB };
  return parseConfig({ model: 'x', sft: { train }, prm: { train }, align: { train } });
}

function memory(): string {
  const cell = (parameters: number, lora: object | null, activationsGiB: number) =>
    (estimate(settingsFor(lora, activationsGiB), facts(parameters)).memoryBytes / 2 ** 30).toFixed(1);
  return table(
    ['model', 'LoRA', 'LoRA, activationsGiB 2', 'all weights', 'all weights, activationsGiB 2'],
    MODELS.map(([name, parameters]) => [
      name,
      ...[{}, null].flatMap((lora) => [8, 2].map((activations) => cell(parameters, lora, activations))),
    ]),
  );
}

function hours(bench: Bench): string {
  const body = MODELS.map(([name, parameters]) => {
    const { stages, total } = runOf(bench, parameters);
    const spent = STAGES.map(([, names, inRound]) =>
      stages
        .filter(({ stage, iteration }) => names.some((own) => own === stage) && inRound(iteration))
        .reduce((sum, { seconds }) => sum + (seconds ?? 0), 0),
    );
    return [name, ...[...spent, total.seconds ?? 0].map((seconds) => (seconds / 3600).toFixed(1))];
  });
  return table(['model', ...STAGES.map(([name]) => name), 'all'], body);
}

function assumptions(bench: Bench): string {
  const { promptTokens, pathTokens, stepsPerPath, pRight } = runOf(bench, BENCHED).assumptions;
  return `Assumed: questions of ${promptTokens} tokens, paths of ${pathTokens} tokens in ${stepsPerPath} steps, ${100 * pRight} % of rollouts right.`;
}

function runOf(bench: Bench, parameters: number): RunEstimate {
  const scale = BENCHED / parameters;
  const calibration: Calibration = {
    generatedTokensPerSecond: (bench.decode['32']?.tokensPerSecond ?? 0) * scale,
    promptTokensPerSecond: bench.prefill.tokensPerSecond * scale,
    trainTokensPerSecond: bench.training.sft.tokensPerSecond * scale,
    secondsPerGrade: 0,
  };
  const preset = PRESETS['gsm8k-smollm2'];
  const config = parseConfig({ ...preset, model: 'x' });
  const count = (sets: Config['evaluate']['sets']) => sets.reduce((sum, { limit }) => sum + (limit ?? 1000), 0);
  const { sets, final } = config.evaluate;
  return estimate(config, facts(parameters), calibration, { evalQuestions: count(sets), finalQuestions: count(final) });
}

function facts(parameters: number) {
  return {
    hash: '',
    architecture: 'LlamaForCausalLM',
    parameters,
    contextLength: 2048,
    hasChatTemplate: false,
    linearLayers: [],
    warnings: [],
  };
}
