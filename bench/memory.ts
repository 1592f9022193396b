// A real shape with random weights, quantised -> peak memory and time of a step, or of draws.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Backend } from '#sipf/backend.js';
import { createInProcessBackend } from '#sipf/backends/local/in-process.js';
import { execute } from '#sipf/cli/execute.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { trainOptions } from '#sipf/method/train-options.js';
import { architectureOf } from '#sipf/models/architectures/architectures.js';
import { decoderOf } from '#sipf/models/architectures/form.js';
import { writeSafetensors } from '#sipf/models/files/safetensors.js';
import { declaredWeights } from '#sipf/models/weights/declared-weights.js';
import { fillNormal } from '#sipf/models/weights/init-model.js';
import type { Quantisation } from '#sipf/models/weights/quantisers/quantisers.js';
import { taskNamed } from '#sipf/tasks/index.js';
import { TrainSettings } from '#sipf/train-settings.js';

const COMMON = { max_position_embeddings: 2048, rope_theta: 10000, eos_token_id: null, bos_token_id: null };

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
  readonly rank: string;
  readonly threads?: string;
  readonly positions: string;
}

/** Random values that every large tensor repeats: only sizes count here. */
const PIECE = fillNormal(new Float32Array(1 << 20), 'bench/memory', 0.02);

async function writeModel(folder: string, config: (typeof SHAPES)[keyof typeof SHAPES]): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(taskNamed('mini').tokenizer?.()));
  const { shapes } = declaredWeights(decoderOf(architectureOf(config), config));
  const tensors = [...shapes].map(([name, shape]) => ({ name, shape, data: () => pieces(shape) }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
}

async function* pieces(shape: readonly number[]): AsyncGenerator<Float32Array> {
  const size = shape.reduce((product, n) => product * n, 1);
  if (shape.length === 1) yield new Float32Array(size).fill(1);
  else for (let at = 0; at < size; at += PIECE.length) yield PIECE.subarray(0, Math.min(PIECE.length, size - at));
}

/** Words of so many tokens in all: a prompt and two completions of a third each. */
async function preference(backend: Backend, model: string, positions: number) {
  await using policy = await backend.openPolicy({ model });
  const unit = 'The answer is 7\n';
  const [tokens = 1] = await policy.countTokens([unit]);
  const text = unit.repeat(Math.floor(positions / 3 / tokens));
  return { kind: 'preference', prompt: text, chosen: [text], rejected: [`${text.slice(0, -2)}8\n`] } as const;
}

async function trainStep(backend: Backend, folder: string, { rank, positions }: Options): Promise<void> {
  const model = join(folder, 'model');
  const example = await preference(backend, model, Number(positions));
  const settings = TrainSettings.parse({
    lora: { rank: Number(rank), alpha: 2 * Number(rank), dropout: 0, targets: 'all-linear' },
    batchSize: 1,
    tokensPerPass: Number(positions),
    maxLength: 2 * Number(positions),
    // Every layer is computed again in the backward pass.
    activationsGiB: 0.001,
  });
  const objective = { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: null } as const;
  const options = trainOptions(settings, objective, 1, 1);
  await backend.train({ source: { model }, examples: [example], options, out: join(folder, 'adapter') }, () => {});
}

async function draw(backend: Backend, folder: string, { positions }: Options): Promise<void> {
  await using policy = await backend.openPolicy({ model: join(folder, 'model') });
  const context = [[5, 6, 7, 8]];
  const sampling = { temperature: 1, maxTokens: Number(positions) - 4, ignoreEos: true };
  const requests = Array.from({ length: 16 }, (_, n) => ({ id: `${n}`, context, key: `bench/${n}`, sampling }));
  await policy.generate(requests, () => []);
}

async function measure(options: Options, terminal: Terminal): Promise<void> {
  const { shape, quantisation, work, threads } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sipf-bench-'));
  try {
    terminal.log('Writing the weights ...');
    await writeModel(join(folder, 'model'), SHAPES[shape]);
    const own = { quantisation: quantisation === 'none' ? null : quantisation, cache: join(folder, 'cache') };
    await using backend = createInProcessBackend({
      provider: 'cpu',
      slots: 16,
      ...own,
      ...(threads === undefined ? {} : { threads: Number(threads) }),
    });
    terminal.log(
      work === 'train' ? 'Converting the weights, and one step ...' : 'Converting the weights, and draws ...',
    );
    const started = performance.now();
    await (work === 'train' ? trainStep : draw)(backend, folder, options);
    const seconds = (performance.now() - started) / 1000;
    const peakRssGiB = (process.resourceUsage().maxRSS * 1024) / 2 ** 30;
    await terminal.print(
      JSON.stringify({ ...options, seconds: Math.round(seconds), peakRssGiB: Number(peakRssGiB.toFixed(2)) }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const program = (terminal: Terminal): Command =>
  new Command('memory')
    .description(
      'Peak resident memory (mapped weights included) and time of one ORPO step, or of 16 sequences drawn together. Writes the weights in float32 to the temporary folder first.',
    )
    .addOption(new Option('--shape <name>', 'whose shape').choices(Object.keys(SHAPES)).makeOptionMandatory())
    .addOption(
      new Option('--quantisation <name>', 'of the linear layers')
        .choices(['none', 'nf4', 'nf4-double', 'int8'])
        .default('nf4'),
    )
    .addOption(new Option('--work <what>', 'what is measured').choices(['train', 'sample']).default('train'))
    .option('--rank <n>', 'of LoRA', '16')
    .option('--positions <n>', 'tokens of the step, or of each sequence', '512')
    .option('--threads <n>', 'threads of one operation')
    .action((options: Options) => measure(options, terminal));

await execute('memory', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));
