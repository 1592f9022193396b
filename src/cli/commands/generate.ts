// sipf generate: a prompt -> completions as they are drawn; with --json also token ids.
import { Command } from 'commander';
import type { Completion, ContextPiece, DrawnText, GenerateRequest, Policy, SamplingOptions } from '../../backend.ts';
import { MOST } from '../../limits.ts';
import { openEngine, readEngine } from '../engine.ts';
import {
  finish,
  integer,
  type ModelOptions,
  modelSource,
  repeated,
  type SamplingFlags,
  withModel,
  withSampling,
} from '../options.ts';
import type { Terminal } from '../terminal.ts';

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
    withModel(new Command('generate').description('Write completions of a prompt, as they are drawn.'))
      .requiredOption('--prompt <text>', 'the text before the first token')
      .option('--chat', "put the prompt into the model's chat template as the user's message")
      .option('--system <text>', 'system message, with --chat')
      .option('--n <n>', 'completions', integer({ min: 1, max: MOST.samples }), 1)
      .option('--max-tokens <n>', 'longest completion', integer({ min: 1, max: MOST.tokens }), 256)
      .option('--stop <text>', 'end before this text; may be given several times', repeated)
      .option('--ignore-eos', 'continue after the end-of-sequence token')
      .option('--seed <n>', 'random seed', integer({ min: 0 }), 0),
    1,
  );
  return finish(
    command,
    'print {completions: [{text, tokenIds, logps, finishReason}]}; logps are null where --calculator wrote a token',
    'sipf generate --model ./SmolLM2-135M --prompt "The capital of France is" --temperature 0 --max-tokens 20 --json',
  ).action((options: GenerateOptions) => generate(command, options, terminal));
}

async function generate(command: Command, options: GenerateOptions, terminal: Terminal): Promise<void> {
  await using backend = await openEngine(await readEngine(command, options), terminal);
  await using policy = await backend.openPolicy(modelSource(options));
  const context = await contextOf(policy, options);
  if (!options.json) return await printAsDrawn(policy, context, options, terminal);
  const what = { title: 'generate', unit: 'completions' };
  const completions = await drawAll(policy, requestsOf(context, options), what, terminal);
  const rows = completions.map(({ text, tokenIds, logps, finishReason }) => ({ text, tokenIds, logps, finishReason }));
  await terminal.print(JSON.stringify({ completions: rows }));
}

/** Prints each completion as it is drawn, one after the other: what comes of later ones meanwhile waits for its turn. */
async function printAsDrawn(
  policy: Policy,
  context: readonly ContextPiece[],
  options: GenerateOptions,
  terminal: Terminal,
): Promise<void> {
  const { dim } = terminal.colors;
  const waiting = Array.from({ length: options.n }, () => '');
  const ended = new Map<number, Completion>();
  let printed = 0;
  let begun = false;
  const print = () => {
    for (; printed < options.n; printed += 1) {
      if (!begun && options.n > 1) terminal.write(dim(`--- ${printed + 1} of ${options.n}\n`));
      begun = true;
      terminal.write(waiting[printed] ?? '');
      waiting[printed] = '';
      const completion = ended.get(printed);
      if (completion === undefined) return;
      terminal.write('\n');
      const { tokens: length } = completion;
      const limit =
        length < options.maxTokens
          ? `the end of the model's context, after ${length} tokens`
          : `--max-tokens ${length}`;
      if (completion.finishReason === 'length') terminal.log(`(ended at ${limit})`);
      begun = false;
    }
  };
  const onText = (drawn: readonly DrawnText[]) => {
    for (const { id, text } of drawn) waiting[Number(id)] += text;
    print();
  };
  const onFinished = (finished: readonly Completion[]) => {
    for (const completion of finished) ended.set(Number(completion.id), completion);
    print();
    return [];
  };
  try {
    await policy.generate(requestsOf(context, options), onFinished, { signal: terminal.signal, onText });
  } finally {
    // What a stop leaves unfinished ends its line.
    if (begun) terminal.write('\n');
  }
}

function requestsOf(context: readonly ContextPiece[], options: GenerateOptions): GenerateRequest[] {
  const { temperature, topP, topK, maxTokens, stop = [], ignoreEos = false, calculator = false, n, seed } = options;
  const sampling: SamplingOptions = { temperature, topP, topK, maxTokens, stopStrings: stop, ignoreEos, calculator };
  return Array.from({ length: n }, (_, index) => ({
    id: String(index),
    context,
    key: `generate/${seed}/${index}`,
    sampling,
  }));
}

async function contextOf(policy: Policy, options: GenerateOptions): Promise<ContextPiece[]> {
  if (!options.chat) return [options.prompt];
  const system = options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }];
  return [await policy.chatPrompt([...system, { role: 'user', content: options.prompt }])];
}

/** Draws all `requests`, whose ids count up from 0, under a line of progress; completions in their order. */
export async function drawAll(
  policy: Policy,
  requests: readonly GenerateRequest[],
  what: { readonly title: string; readonly unit: string },
  terminal: Terminal,
): Promise<Completion[]> {
  const completions: Completion[] = [];
  using progress = terminal.progress({ ...what, total: requests.length });
  const onFinished = (finished: readonly Completion[]) => {
    completions.push(...finished);
    progress.update(completions.length);
    return [];
  };
  await policy.generate(requests, onFinished, { signal: terminal.signal });
  return completions.sort((a, b) => Number(a.id) - Number(b.id));
}
