// The runs of the real oracle, with tiny models on the processor: compare.mjs compares two builds.
// Their bytes depend on machine and runtime.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { here } from './world.mjs';

const smoke = 'run --preset smoke --seed 1 --threads 1';
/** So few steps leave a model that is hardly ever right. */
const pairs = '--pairs.gold true --pairs.chosenGate none --pairs.eta 0.0001';
const quickstart =
  'run --preset quickstart --seed 1 --threads 1 --iterations 1 --task.limit 300 --task.solutions 200 --sft.train.epochs 2 --sampling.questions 60 ' +
  '--labels.paths 60 --evaluate.sets [{"split":"valid","limit":40}] --evaluate.final [{"split":"test","limit":60}]';
const code =
  'run --preset quickstart-code --seed 1 --threads 1 --sandbox.timeout 60 --iterations 1 --task.limit 600 --task.solutions 500 --sft.train.epochs 4 ' +
  '--sampling.questions 20 --sampling.samples 2 --labels.paths 8 --evaluate.sets [{"split":"valid","limit":10}] --evaluate.final []';
const lora = (section) => `--${section}.train.lora.rank 4 --${section}.train.lora.dropout 0.1`;

/** Rotary positions as Llama 3.2 has them, for short texts. */
const SCALED = {
  rope_type: 'llama3',
  rope_theta: 500000,
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

const runOf = (words) => ({ needs: [], run: ({ sipf, name }) => sipf(`${words} --out ${name}/run`) });

/** Copies test/fixtures/models/NAME with the fixtures' tokenizer to models/TO; `config`: what it changes in config.json. */
function copyModel(folder, to, { name, config }) {
  const fixtures = join(here, '..', 'fixtures');
  const copy = join(folder, 'models', to);
  for (const from of [join('models', name), 'tokenizer']) cpSync(join(fixtures, from), copy, { recursive: true });
  if (!config) return;
  const file = join(copy, 'config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...config }));
}

/** Every stage command in the order of the loop on the smoke run's model. `adapters`: trains LoRA adapters instead of whole models. */
function stagesOf(adapters) {
  return async ({ print, name }) => {
    const common = '--task mini --task.limit 24 --seed 1 --threads 1';
    const own = (section) =>
      `${common} --${section}.train.batchSize 8 --${section}.train.learningRate 0.001 ${adapters ? lora(section) : ''}`.trim();
    const base = '--model smoke/run/iteration-0/6-policy';
    const at = (file) => `--json --out ${name}/${file}`;
    const model = adapters ? `${base} --adapter ${name}/sft` : `--model ${name}/sft`;
    const records = `--samples ${name}/s.jsonl`;
    await print(`${name}/sft.txt`, `sft ${own('sft')} ${base} ${at('sft')}`);
    await print(
      `${name}/sample.txt`,
      `sample ${common} ${model} --sampling.samples 3 --sampling.topP 0.95 ${at('s.jsonl')}`,
    );
    await print(`${name}/label.txt`, `label ${common} ${model} --labels.K 2 --in ${name}/s.jsonl ${at('l.jsonl')}`);
    await print(
      `${name}/prm.txt`,
      `train-prm ${own('prm')} ${model} --labels.K 2 --in ${name}/l.jsonl ${records} ${at('prm')}`,
    );
    const score = `score ${common} ${records}`;
    await print(`${name}/c-prm.txt`, `${score} --prm ${name}/prm --scorer prm ${at('c-prm.jsonl')}`);
    await print(
      `${name}/c-both.txt`,
      `${score} --prm ${name}/prm ${base} --scorer prm-logprob --labels ${name}/l.jsonl ${at('c-both.jsonl')}`,
    );
    await print(`${name}/c-logprob.txt`, `${score} ${model} --scorer logprob ${at('c-logprob.jsonl')}`);
    await print(
      `${name}/pair.txt`,
      `pair --task mini --task.limit 24 --seed 1 --pairs.eta 0.0001 --pairs.chosenGate none --in ${name}/c-logprob.jsonl ${records} ${at('p.jsonl')}`,
    );
    await print(
      `${name}/align.txt`,
      `align ${own('align')} ${model} --align.loss.lambda 0.5 --align.gold 1 --in ${name}/p.jsonl ${at('next')}`,
    );
    await print(
      `${name}/eval.txt`,
      `eval ${model} --task mini --limit 20 --threads 1 --samples 2 --pass-at 1,2 ${at('eval.jsonl')}`,
    );
  };
}

/** Generation and log-probabilities of a fixture: grouped queries, tied weights, scaled rotary positions. */
function answersOf(model, source = { name: model }) {
  return async ({ folder, print, name }) => {
    copyModel(folder, model, source);
    const opened = `--model models/${model} --threads 1`;
    await print(`${name}/draw.txt`, `generate ${opened} --n 5 --seed 3 --max-tokens 40 --ignore-eos --json`, {
      more: ['--prompt', 'Tom has 3 apples.'],
    });
    await print(`${name}/greedy.txt`, `generate ${opened} --temperature 0 --max-tokens 40 --ignore-eos --json`, {
      more: ['--prompt', 'Tom has 3 apples.'],
    });
    await print(
      `${name}/top.txt`,
      `generate ${opened} --n 3 --seed 3 --temperature 0.7 --top-k 5 --top-p 0.9 --max-tokens 20 --json`,
      { more: ['--prompt', 'One two'] },
    );
    await print(`${name}/chat.txt`, `generate ${opened} --chat --system Think. --max-tokens 20 --json --prompt Hello`);
    await print(`${name}/logps.txt`, `logps ${opened} --in rows/completions.jsonl --json`);
    await print(`${name}/rows.txt`, `score ${opened} --scorer logprob --task jsonl --in rows/paths.jsonl --json`);
    const sft = `sft ${opened} --task jsonl --data sums --sft.train.batchSize 4 --sft.train.learningRate 0.001 --json`;
    await print(`${name}/full.txt`, `${sft} --out ${name}/full`);
    await print(`${name}/lora.txt`, `${sft} ${lora('sft')} --out ${name}/adapter`);
    await print(`${name}/adapted.txt`, `logps ${opened} --adapter ${name}/adapter --in rows/completions.jsonl --json`);
  };
}

export const cases = {
  quickstart: runOf(`${quickstart} ${pairs}`),
  'quickstart-code': runOf(`${code} ${pairs}`),
  smoke: runOf(smoke),
  'smoke-oracle': runOf(`${smoke} --score.scorer oracle --iterations 1`),
  'smoke-lora': runOf(`${smoke} --iterations 1 ${lora('prm')} ${lora('align')} --evaluate.control continued-sft`),
  llama: { needs: [], run: answersOf('llama') },
  'llama-3.2': { needs: [], run: answersOf('llama-3.2', { name: 'llama-tied', config: { rope_parameters: SCALED } }) },
  'llama-tied': { needs: [], run: answersOf('llama-tied') },
  full: { needs: ['smoke'], run: stagesOf(false) },
  adapters: { needs: ['smoke'], run: stagesOf(true) },
};
