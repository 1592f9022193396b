// npm run bench: this machine -> what training, prefill, decode and a labelled step cost here.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { createInProcessBackend } from '#sipf/backends/local/in-process.js';
import { renderTable } from '#sipf/cli/commands/show-steps.js';
import { execute } from '#sipf/cli/execute.js';
import { type ExecutionOptions, finish, withExecution } from '#sipf/cli/options.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { Engine } from '#sipf/engine/runtime/session.js';
import { SipfError } from '#sipf/errors.js';
import { taskNamed } from '#sipf/tasks/index.js';
import { labelledStepCost } from './labelled-steps.ts';
import { measureSpeeds, type Speed, type Speeds } from './speeds.ts';

/** Mean chance of a rollout to be right: the contract's, and the curve around it. */
const MEAN = 0.3;
/** Sequences that decode together. */
const BATCHES = [1, 8, 32, 128];
const CURVE = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7];

interface BenchOptions extends ExecutionOptions {
  readonly json?: boolean;
}

function program(terminal: Terminal): Command {
  const command = withExecution(
    new Command('bench').description(
      'Measure LoRA training, prefill and decode at the 135M Llama shape, and what a labelled step costs. Takes a minute or two; let the machine be idle.',
    ),
  );
  return finish(
    command,
    'print {gemmPeakGflops, training: {sft, orpo}, prefill, decode: {"1", "8", "32", "128"}, labelledStep: {costRatio}, ...}',
    'npm run bench',
    'npm run -s bench -- --threads 2 --json',
  ).action((options: BenchOptions) => bench(options, terminal));
}

async function bench(options: BenchOptions, terminal: Terminal): Promise<void> {
  const tokenizer = taskNamed('mini').tokenizer?.();
  if (tokenizer === undefined)
    throw new SipfError('unsupported', 'Expected the task mini to have a tokenizer, got none.');
  const folder = await mkdtemp(join(tmpdir(), 'sipf-bench-'));
  try {
    const execution = { provider: 'cpu', ...options } as const;
    const engine = new Engine(execution);
    await using backend = createInProcessBackend({ ...execution, slots: Math.max(...BATCHES) }, engine);
    const onStage = (name: string) => terminal.log(`Measuring: ${name} ...`);
    const speeds = await measureSpeeds({
      engine,
      backend,
      folder,
      tokenizer,
      batches: BATCHES,
      onStage,
      signal: terminal.signal,
    });
    onStage('labelled steps');
    const labelledStep = await labelledSteps();
    const memory = { peakRssBytes: process.resourceUsage().maxRSS * 1024 };
    if (options.json === true) await terminal.print(JSON.stringify({ ...speeds, labelledStep, memory }));
    else await printBench({ speeds, labelledStep, ...memory }, terminal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function labelledSteps() {
  const curve: Record<string, number> = {};
  for (const p of CURVE) curve[String(p)] = (await labelledStepCost(p)).costRatio;
  return { ...(await labelledStepCost(MEAN)), curve };
}

interface BenchReport {
  readonly speeds: Speeds;
  readonly labelledStep: Awaited<ReturnType<typeof labelledSteps>>;
  readonly peakRssBytes: number;
}

async function printBench({ speeds, labelledStep, peakRssBytes }: BenchReport, terminal: Terminal): Promise<void> {
  const row = (name: string, { tokensPerSecond, fractionOfPeak }: Speed) => [
    name,
    tokensPerSecond.toFixed(0),
    `${(100 * fractionOfPeak).toFixed(0)} %`,
  ];
  const rows = [
    ['135M Llama shape', 'tokens/s', 'of GEMM peak'],
    row('LoRA SFT, 1,024 tokens a step', speeds.training.sft),
    row('LoRA ORPO, 1,024 tokens a step', speeds.training.orpo),
    row('prefill', speeds.prefill),
    ...Object.entries(speeds.decode).map(([batch, speed]) => row(`decode, batch ${batch}`, speed)),
  ];
  for (const line of renderTable(rows, terminal.colors)) await terminal.print(line);
  const curve = Object.entries(labelledStep.curve).map(([p, ratio]) => `${ratio.toFixed(1)}x at ${p}`);
  await terminal.print(
    `GEMM peak ${speeds.gemmPeakGflops.toFixed(0)} GFLOPS, peak memory ${(peakRssBytes / 2 ** 30).toFixed(1)} GiB`,
  );
  await terminal.print(
    `A labelled step costs ${labelledStep.tokensPerStep.toFixed(0)} model tokens, naively ${labelledStep.naiveTokensPerStep.toFixed(0)}: ` +
      `${labelledStep.costRatio.toFixed(1)}x cheaper at identical labels, K = 8, mean success ${labelledStep.meanP.toFixed(2)} (${curve.join(', ')})`,
  );
}

await execute('bench', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));
