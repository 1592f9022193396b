// sipf generate: a prompt -> completions with their token ids and log-probabilities.
import { Command } from 'commander';
import type { Completion, ContextPiece, GenerateRequest, Policy, SamplingOptions } from '../backends/backend.ts';
import { openBackend } from '../backends/open.ts';
import { MOST } from '../limits.ts';
import {
  finish,
  integer,
  type ModelOptions,
  modelSource,
  repeated,
  type SamplingFlags,
  withModel,
  withSampling,
} from './options.ts';
import type { Terminal } from './terminal.ts';

interface GenerateOptions extends ModelOptions, SamplingFlags {
  readonly prompt: string;
  readonly chat?: boolean;
  readonly system?: string;
  readonly n: number;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  readonly ignoreEos?: boolean;
  readonly seed: number;
  readonly json?: boolean;
}

export function generateCommand(terminal: Terminal): Command {
  const command = withSampling(
    withModel(new Command('generate').description('Write completions of a prompt.'))
      .requiredOption('--prompt <text>', 'the text before the first token')
      .option('--chat', "put the prompt into the model's chat template as the user's message")
      .option('--system <text>', 'system message, with --chat')
      .option('--n <n>', 'completions', integer({ min: 1, max: MOST.samples }), 1)
      .option('--max-tokens <n>', 'longest completion', integer({ min: 1, max: MOST.tokens }), 256)
      .option('--stop <text>', 'end before this text; may be given several times', repeated)
      .option('--ignore-eos', 'go on after the end-of-sequence token')
      .option('--seed <n>', 'random seed', integer({ min: 0 }), 0),
    1,
  );
  return finish(
    command,
    'print {completions: [{text, tokenIds, logps, finishReason}]}',
    'sipf generate --model ./SmolLM2-135M --prompt "The capital of France is" --temperature 0 --max-tokens 20 --json',
  ).action((options: GenerateOptions) => generate(options, terminal));
}

async function generate(options: GenerateOptions, terminal: Terminal): Promise<void> {
  await using backend = await openBackend(options, terminal.warn);
  await using policy = await backend.openPolicy(modelSource(options));
  const completions = await draw(policy, await contextOf(policy, options), options, terminal);
  if (options.json) {
    const rows = completions.map(({ text, tokenIds, logps, finishReason }) => ({
      text,
      tokenIds,
      logps,
      finishReason,
    }));
    await terminal.print(JSON.stringify({ completions: rows }));
    return;
  }
  const { dim } = terminal.colors;
  for (const [index, { text, tokenIds, finishReason }] of completions.entries()) {
    if (completions.length > 1) await terminal.print(dim(`--- ${index + 1} of ${completions.length}`));
    await terminal.print(text);
    if (finishReason === 'length') terminal.log(`(ended at --max-tokens ${tokenIds.length})`);
  }
}

/** A chat template writes its own BOS, so its text goes in as a continuation of nothing. */
async function contextOf(policy: Policy, options: GenerateOptions): Promise<ContextPiece[]> {
  if (!options.chat) return [options.prompt];
  const system = options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }];
  return [[], await policy.chatPrompt([...system, { role: 'user', content: options.prompt }])];
}

async function draw(
  policy: Policy,
  context: readonly ContextPiece[],
  options: GenerateOptions,
  terminal: Terminal,
): Promise<Completion[]> {
  const { temperature, topP, topK, maxTokens, stop = [], ignoreEos = false, n, seed } = options;
  const sampling: SamplingOptions = { temperature, topP, topK, maxTokens, stopStrings: stop, ignoreEos };
  const requests = Array.from(
    { length: n },
    (_, index): GenerateRequest => ({ id: String(index), context, key: `generate/${seed}/${index}`, sampling }),
  );
  const completions: Completion[] = [];
  const progress = terminal.progress({ title: 'generate', unit: 'completions', total: n });
  const onFinished = (finished: readonly Completion[]) => {
    completions.push(...finished);
    progress.update(completions.length);
    return [];
  };
  try {
    await policy.generate(requests, onFinished, { signal: terminal.signal });
  } finally {
    progress.end();
  }
  return completions.sort((a, b) => Number(a.id) - Number(b.id));
}
