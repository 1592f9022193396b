// A real shape with random weights, quantised -> peak memory and time of a step, or of draws.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Backend } from '#sipf/backend.js';
import { createWorkerBackend } from '#sipf/backends/local/worker-client.js';
import { execute } from '#sipf/cli/execute.js';
import { integer, threads } from '#sipf/cli/options.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { Quantisation } from '#sipf/engine-settings.js';
import { trainOptions } from '#sipf/method/train-options.js';
import { architectureOf } from '#sipf/models/architectures/architectures.js';
import { decoderOf } from '#sipf/models/architectures/form.js';
import { writeSafetensors } from '#sipf/models/files/safetensors.js';
import { declaredWeights } from '#sipf/models/weights/declared-weights.js';
import { fillNormal } from '#sipf/models/weights/init-model.js';
import { taskNamed } from '#sipf/tasks/index.js';
import { TrainSettings } from '#sipf/train-settings.js';

const COMMON = { max_position_embeddings: 2048, rope_theta: 10000, eos_token_id: 2, bos_token_id: null };

/** As config.json of google/gemma-2b, TinyLlama/TinyLlama-1.1B-Chat-v1.0 and HuggingFaceTB/SmolLM2-135M has them. */
const SHAPES = {
  'gemma-2b': {
    ...COMMON,
    model_type: 'gemma',
    vocab_size: 256_000,
    hidden_size: 2048,
    intermediate_size: 16_384,
    num_hidden_layers: 18,
    num_attention_heads: 8,
    num_key_value_heads: 1,
    head_dim: 256,
    hidden_act: 'gelu_pytorch_tanh',
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
  },
  'tinyllama-1.1b': {
    ...COMMON,
    model_type: 'llama',
    vocab_size: 32_000,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  },
  'smollm2-135m': {
    ...COMMON,
    model_type: 'llama',
    vocab_size: 49_152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  },
} as const;

interface Options {
  readonly shape: keyof typeof SHAPES;
  readonly quantisation: Quantisation | 'none';
  readonly work: 'train' | 'sample';
  readonly rank: number;
  readonly positions: number;
  readonly drawn: number;
  readonly threads?: number;
  readonly folder?: string;
}

/** What two tensors share no long stretch of, as the runtime may keep equal weights once. */
const VALUES = fillNormal(new Float32Array((1 << 20) + 1), 'bench/memory', 0.02);

async function writeModel(folder: string, config: (typeof SHAPES)[keyof typeof SHAPES]): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(taskNamed('mini').tokenizer?.()));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '</s>' }));
  const architecture = architectureOf(config);
  const { shapes } = declaredWeights(decoderOf(architecture, config));
  const vector = (size: number) => new Float32Array(size).fill(architecture.form.norm.start);
  const tensors = [...shapes].map(([name, shape], n) => ({
    name,
    shape,
    data: shape.length === 1 ? vector(Number(shape[0])) : () => pieces(shape, 4099 * n),
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

/** Values over and over, from the place `from` of their list. */
async function* pieces(shape: readonly number[], from: number): AsyncGenerator<Float32Array> {
  const size = shape.reduce((product, n) => product * n, 1);
  for (let at = 0; at < size; ) {
    const start = (from + at) % VALUES.length;
    const piece = VALUES.subarray(start, start + size - at);
    yield piece;
    at += piece.length;
  }
}

/** Words of so many tokens in all: a prompt and two completions of a third each. */
async function preference(backend: Backend, model: string, positions: number) {
  await using policy = await backend.openPolicy({ model });
  const unit = 'The answer is 7\n';
  const [tokens = 1] = await policy.countTokens([unit]);
  const text = unit.repeat(Math.floor(positions / 3 / tokens));
  return { kind: 'preference', prompt: text, chosen: [text], rejected: [`${text.slice(0, -2)}8\n`] } as const;
}

/** One optimizer step of ORPO on one pair; every layer is computed again in the backward pass. */
async function trainStep(backend: Backend, folder: string, { rank, positions }: Options): Promise<number> {
  const model = join(folder, 'model');
  const example = await preference(backend, model, positions);
  const settings = TrainSettings.parse({
    lora: { rank, alpha: 2 * rank, dropout: 0, targets: 'all-linear' },
    batchSize: 1,
    tokensPerPass: positions,
    maxLength: 2 * positions,
    activationsGiB: 0.001,
  });
  const objective = { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: null } as const;
  const options = trainOptions(settings, objective, 1, 1);
  const { tokens } = await backend.train(
    { source: { model }, examples: [example], options, out: join(folder, 'adapter') },
    () => {},
  );
  return tokens;
}

/** Sequences that decode together. */
const BATCH = 16;

/** They share a prompt, which is computed once; each has its own copy in the cache. */
async function draw(backend: Backend, folder: string, { positions, drawn }: Options): Promise<number> {
  await using policy = await backend.openPolicy({ model: join(folder, 'model') });
  const context = [Array.from({ length: positions - drawn }, (_, n) => 5 + (n % 20))];
  const sampling = { temperature: 1, maxTokens: drawn, ignoreEos: true };
  const requests = Array.from({ length: BATCH }, (_, n) => ({ id: `${n}`, context, key: `bench/${n}`, sampling }));
  let tokens = 0;
  await policy.generate(requests, (finished) => {
    for (const completion of finished) tokens += completion.tokens;
    return [];
  });
  return tokens;
}

/** A line of /proc/self/status, in GiB. */
function gibibytes(line: 'VmHWM' | 'RssAnon'): number {
  const [, kibibytes] =
    new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes) / 2 ** 20;
}

/** The largest anonymous memory from now until the end; the engine has a thread of its own, so this one can look. */
function watchAnonymous(): { readonly peak: () => number } & Disposable {
  let peak = gibibytes('RssAnon');
  const timer = setInterval(() => {
    peak = Math.max(peak, gibibytes('RssAnon'));
  }, 20);
  return { peak: () => peak, [Symbol.dispose]: () => clearInterval(timer) };
}

async function measure(options: Options, terminal: Terminal): Promise<void> {
  const { shape, quantisation, work, threads } = options;
  const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'sipf-bench-'));
  try {
    terminal.log('Writing the weights ...');
    await writeModel(join(folder, 'model'), SHAPES[shape]);
    const engine = { provider: 'cpu', slots: BATCH, cache: join(folder, 'cache') } as const;
    const own = { quantisation: quantisation === 'none' ? null : quantisation, threads };
    await using backend = createWorkerBackend({ ...engine, ...own });
    terminal.log(
      work === 'train' ? 'Converting the weights, and one step ...' : 'Converting the weights, and draws ...',
    );
    using anonymous = watchAnonymous();
    const started = performance.now();
    const tokens = await (work === 'train' ? trainStep : draw)(backend, folder, options);
    const seconds = Math.round((performance.now() - started) / 1000);
    const [peakRssGiB, peakAnonymousGiB] = [gibibytes('VmHWM'), anonymous.peak()].map((size) =>
      Number(size.toFixed(2)),
    );
    await terminal.print(JSON.stringify({ shape, quantisation, work, tokens, seconds, peakRssGiB, peakAnonymousGiB }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const count = integer({ min: 1 });

const program = (terminal: Terminal): Command =>
  new Command('memory')
    .description(
      'Peak memory and time of one ORPO step, or of 16 sequences drawn together, on Linux. Resident memory includes mapped weights, which the system can drop; anonymous memory does not. Writes the weights in float32 first.',
    )
    .addOption(new Option('--shape <name>', 'whose shape').choices(Object.keys(SHAPES)).makeOptionMandatory())
    .addOption(
      new Option('--quantisation <name>', 'of the linear layers')
        .choices(['none', ...Quantisation.options])
        .default('nf4'),
    )
    .addOption(new Option('--work <what>', 'what is measured').choices(['train', 'sample']).default('train'))
    .option('--rank <n>', 'of LoRA', count, 16)
    .option('--positions <n>', 'tokens of the step, or of each sequence', count, 512)
    .option('--drawn <n>', 'how many of these are drawn, one by one', count, 64)
    .option('--threads <n>', 'threads of one operation', threads)
    .option('--folder <dir>', 'where the weights are written (default: the temporary folder)')
    .action((options: Options) => measure(options, terminal));

await execute('memory', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));
