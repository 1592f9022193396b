// A model and clients -> tokens a second by generate, and by a server on the same requests.
import { Command } from 'commander';
import type { Completion, GenerateRequest, Policy } from '#sipf/backend.js';
import { openEngine, readEngine } from '#sipf/cli/engine.js';
import { execute } from '#sipf/cli/execute.js';
import { finish, integer, type ModelOptions, withBaseModel } from '#sipf/cli/options.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { serve } from '#sipf/server/serve.js';

interface BenchOptions extends ModelOptions {
  readonly clients: number;
  readonly requests: number;
  readonly maxTokens: number;
  readonly rounds: number;
  readonly json?: boolean;
}

/** What both do; each request ends at its own length. */
interface Work {
  readonly prompt: string;
  readonly seed: number;
  readonly maxTokens: number;
}

function program(terminal: Terminal): Command {
  const command = withBaseModel(
    new Command('serve').description(
      'Measure a server against generate on the same requests. Let the machine be idle.',
    ),
  )
    .option('--clients <n>', 'requests at a time', integer({ min: 1 }), 64)
    .option('--requests <n>', 'requests', integer({ min: 1 }), 256)
    .option('--max-tokens <n>', 'longest completion', integer({ min: 1 }), 128)
    .option('--rounds <n>', 'measurements of each, in turn; the medians count', integer({ min: 1 }), 5);
  return finish(
    command,
    'print {generate, serve, ratio}: tokens a second',
    'node scripts/tool.mjs bench/serve --model ./SmolLM2-135M --json',
  ).action((options: BenchOptions) => bench(command, options, terminal));
}

async function bench(command: Command, options: BenchOptions, terminal: Terminal): Promise<void> {
  const { model, rounds, clients } = options;
  await using backend = await openEngine(await readEngine(command, options), terminal);
  await using policy = await backend.openPolicy({ model });
  await using server = await serve(backend, { model, port: 0, limits: { requests: clients } });
  const speeds = { generate: [] as number[], serve: [] as number[] };
  // The first round of each compiles and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    const work = workOf(round, options);
    const direct = await speedOf(() => generateAll(policy, work));
    const served = await speedOf(() => serveAll(server.url, work, clients));
    terminal.log(`round ${round}: generate ${direct.toFixed(0)}, serve ${served.toFixed(0)} tokens/s`);
    if (round === 0) continue;
    speeds.generate.push(direct);
    speeds.serve.push(served);
  }
  const [direct, served] = [median(speeds.generate), median(speeds.serve)];
  const report = { generate: direct, serve: served, ratio: served / direct };
  await terminal.print(
    options.json
      ? JSON.stringify(report)
      : `generate ${direct.toFixed(0)}, serve ${served.toFixed(0)} tokens/s: ${report.ratio.toFixed(2)}x`,
  );
}

/** Other prompts in each round: a server keeps the prompts that it has computed. */
function workOf(round: number, { requests, maxTokens }: BenchOptions): Work[] {
  return Array.from({ length: requests }, (_, n) => {
    const seed = round * requests + n;
    return {
      prompt: `${seed} boxes hold ${3 + (seed % 17)} pens each. How many pens do ${2 + (seed % 9)} of them hold?\n`,
      seed,
      maxTokens: Math.max(1, maxTokens - (seed % 8) * Math.floor(maxTokens / 16)),
    };
  });
}

async function speedOf(run: () => Promise<number>): Promise<number> {
  const start = performance.now();
  return (1000 * (await run())) / (performance.now() - start);
}

async function generateAll(policy: Policy, work: readonly Work[]): Promise<number> {
  const requests = work.map(({ prompt, seed, maxTokens }): GenerateRequest => {
    return {
      id: String(seed),
      context: [prompt],
      key: `generate/${seed}/0`,
      sampling: { temperature: 1, maxTokens, ignoreEos: true },
    };
  });
  let tokens = 0;
  await policy.generate(requests, (finished: readonly Completion[]) => {
    for (const completion of finished) tokens += completion.tokens;
    return [];
  });
  return tokens;
}

async function serveAll(url: string, work: readonly Work[], clients: number): Promise<number> {
  const left = [...work];
  let tokens = 0;
  const client = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { prompt, seed, maxTokens: max_tokens } = next;
      const response = await fetch(`${url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt, seed, max_tokens, ignore_eos: true }),
      });
      const answer = (await response.json()) as { usage: { completion_tokens: number } };
      tokens += answer.usage.completion_tokens;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return tokens;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}

await execute('bench', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));
