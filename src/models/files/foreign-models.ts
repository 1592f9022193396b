// A folder that holds no model we read -> what it holds and what to do instead.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SipfError } from '../../errors.ts';
import { SAVE_AGAIN } from '../../io/foreign-file.ts';

/** Names in a folder -> what they show, the most telling first. `{}`: the file found. */
type Signs = readonly (readonly [pattern: RegExp, code: 'unsupported' | 'not-found', text: string])[];

const GGUF: Signs[number] = [/\.gguf$/, 'not-found', '{}. Give that file itself: {path}.'];

const MLX_ADAPTER: Signs[number] = [
  /^adapters\.(safetensors|npz)$/,
  'unsupported',
  '{}: an adapter of MLX. Train it with PEFT or sipf.',
];

/** Weights that we do not read. */
const FOREIGN: Signs = [
  [
    /^(?!training_args|optimizer|scheduler|rng_state).*\.(bin|pt|pth|ckpt)$/,
    'unsupported',
    `{}: PyTorch's own format, which can run code when it is read. ${SAVE_AGAIN}`,
  ],
  [/\.onnx(_data)?$|^onnx$/, 'unsupported', '{}: an ONNX export. Use the model that it was made from.'],
  [/\.npz$|^weights\..*\.safetensors$/, 'unsupported', '{}: weights of MLX. Use the model that they were made from.'],
  [/\.(h5|keras|msgpack|tflite)$/, 'unsupported', `{}: weights of TensorFlow or Flax. ${SAVE_AGAIN}`],
  [
    /^consolidated.*\.safetensors$/,
    'unsupported',
    '{}: tensors by their original names. Use the Hugging Face version.',
  ],
];

/** Weights of other kinds, or by other names. */
const OTHER_WEIGHTS: Signs = [
  ...FOREIGN,
  GGUF,
  [/^model-\d+-of-\d+\.safetensors$/, 'not-found', '{} without model.safetensors.index.json. Download the index, too.'],
  [
    /\.safetensors$/,
    'not-found',
    '{}. Rename that file to model.safetensors if it holds the whole model, or download the model again.',
  ],
];

/** What a folder without config.json may be. */
const NO_CONFIG: Signs = [
  [
    /^adapter_config\.json$/,
    'not-found',
    'adapter_config.json: it holds a PEFT adapter, and its base is not where that file says. Give the base as the model and this folder as the adapter.',
  ],
  MLX_ADAPTER,
  GGUF,
  [/^params\.json$/, 'unsupported', '{}: a model in its original format. Use the Hugging Face version.'],
  [/^model_index\.json$/, 'unsupported', '{}: a diffusion model. Use a language model.'],
  [/^checkpoint-\d+$/, 'not-found', "{}: a trainer's output. Give one of its checkpoints: {path}."],
  [/^snapshots$/, 'not-found', "{}: a folder of Hugging Face's cache. Give the folder inside it: {path}/..."],
  ...FOREIGN,
];

/** What a file of weights is by its name, and what to do; null: nothing known. */
export function foreignName(path: string): string | null {
  const name = basename(path);
  const text = FOREIGN.find(([pattern]) => pattern.test(name))?.[2];
  return text === undefined ? null : text.replace('{}: ', '');
}

/** The error about a folder without config.json. */
export async function noConfig(path: string): Promise<SipfError> {
  const text = 'none. Give a folder with config.json and model.safetensors.';
  return signOf(path, NO_CONFIG, 'config.json in the model folder', text);
}

/** The error about a folder with config.json and no weights that are read. */
export async function noWeights(path: string): Promise<SipfError> {
  const text = 'neither. Download the model again.';
  return signOf(path, OTHER_WEIGHTS, 'model.safetensors or model.safetensors.index.json in', text);
}

async function signOf(path: string, signs: Signs, expected: string, none: string): Promise<SipfError> {
  const names = (await readdir(path)).sort();
  for (const [pattern, code, text] of signs) {
    const found = names.find((name) => pattern.test(name));
    if (found === undefined) continue;
    const got = text.replace('{path}', join(path, found)).replace('{}', found);
    return new SipfError(code, `Expected ${expected} ${path}, got ${got}`);
  }
  return new SipfError('not-found', `Expected ${expected} ${path}, got ${none}`);
}

/** Adapters in other forms. */
const OTHER_ADAPTERS: Signs = [
  MLX_ADAPTER,
  [/\.gguf$/, 'unsupported', '{}: a LoRA as GGUF. Use the safetensors that it was made from.'],
  [
    /^adapter.*\.(bin|pt|pth|ckpt)$/,
    'unsupported',
    "{}: PyTorch's own format, which can run code when it is read. " +
      'Save the adapter again with PEFT (PeftModel.from_pretrained(BASE, DIR).save_pretrained(OUT)).',
  ],
];

/** The error about an adapter folder without adapter_model.safetensors. */
export async function noAdapterWeights(folder: string): Promise<SipfError> {
  const text = 'none. Save the adapter again, or download it again.';
  return signOf(folder, OTHER_ADAPTERS, 'adapter_model.safetensors in the adapter folder', text);
}
