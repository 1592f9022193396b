// A configuration, a tokenizer and a seed -> a Hugging Face folder with random weights.
import { join } from 'node:path';
import { SipfError } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { makeFolders, writeJson } from '../../io/files.ts';
import { createRandom } from '../../random.ts';
import type { Architecture, Decoder } from '../architectures/architecture.ts';
import { architectureOf } from '../architectures/architectures.ts';
import { decoderOf } from '../architectures/form.ts';
import { writeModelFolder } from '../files/model-writer.ts';
import { makeTokenizer } from '../tokenizer/tokenizer.ts';
import { addedTokens } from '../tokenizer/tokenizer-json.ts';
import type { Json } from '../tokenizer/tokenizer-schema.ts';
import { declaredWeights } from './declared-weights.ts';

interface InitModelArgs {
  /** As config.json; `vocab_size` and token ids that it lacks come from the tokenizer. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A parsed tokenizer.json. */
  readonly tokenizer: object;
  /** A parsed tokenizer_config.json; absent: special tokens are found by their usual texts. */
  readonly tokenizerConfig?: object | undefined;
  readonly seed: number;
}

/** transformers' default of initializer_range. */
const DEFAULT_STD = 0.02;
/** `model_type` where the configuration names none. */
const DEFAULT_TYPE = 'llama';

/** The usual texts of special tokens. */
const USUAL: Readonly<Record<string, readonly string[]>> = {
  bos: ['<s>', '<bos>', '<|begin_of_text|>', '<|im_start|>'],
  eos: ['</s>', '<eos>', '<|end_of_text|>', '<|im_end|>', '<|endoftext|>'],
  pad: ['<pad>', '[PAD]', '<|pad|>'],
  unk: ['<unk>', '[UNK]'],
};

/**
 * Writes `folder`: config.json, model.safetensors, tokenizer.json, tokenizer_config.json. Linear layers and embeddings are normal with
 * std `initializer_range`, norms 1, biases 0. Each tensor's numbers depend on the seed and its name alone.
 * @throws SipfError where the configuration is of a kind that cannot be built, or too small for the tokenizer.
 */
export async function initModelFolder(folder: string, args: InitModelArgs, options: CacheOptions = {}): Promise<void> {
  const tokenizer = args.tokenizer as Json;
  const names = tokenNames(tokenizer, (args.tokenizerConfig ?? {}) as Json);
  const architecture = architectureOf({ model_type: DEFAULT_TYPE, ...args.config }, PLACE);
  const config = completeConfig(architecture, args.config, tokenizer, names);
  const std = Number(config['initializer_range'] ?? DEFAULT_STD);
  const tensors = [...weightShapes(decoderOf(architecture, config, PLACE))].map(([name, shape]) => {
    const zeros = new Float32Array(sizeOf(shape));
    const constant = name.endsWith('.bias') ? 0 : architecture.form.norm.start;
    const data = shape.length > 1 ? fillNormal(zeros, `init/${args.seed}/${name}`, std) : zeros.fill(constant);
    return { name, shape, data };
  });
  await makeFolders(folder);
  await writeJson(join(folder, 'tokenizer.json'), tokenizer);
  await writeJson(join(folder, 'tokenizer_config.json'), args.tokenizerConfig ?? namedTokens(names));
  await writeModelFolder(folder, { config, tensors, tokenizerFrom: null }, options);
}

/** Special tokens by role, as tokenizer_config.json names them, else by their usual texts. */
function tokenNames(tokenizer: Json, settings: Json): Record<string, { text: string; id: number }> {
  const added = new Map(addedTokens(tokenizer).map(({ content, id }) => [String(content), Number(id)]));
  const found: Record<string, { text: string; id: number }> = {};
  for (const [role, usual] of Object.entries(USUAL)) {
    const named = settings[`${role}_token`];
    const text = typeof named === 'string' ? named : (named as Json | null | undefined)?.['content'];
    const candidates = typeof text === 'string' ? [text] : Object.keys(settings).length > 0 ? [] : usual;
    const hit = candidates.find((candidate) => added.has(candidate));
    if (hit !== undefined) found[role] = { text: hit, id: added.get(hit) as number };
  }
  return found;
}

function namedTokens(names: Readonly<Record<string, { text: string }>>): Json {
  const tokens = Object.entries(names).map(([role, { text }]) => [`${role}_token`, text]);
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(tokens),
    clean_up_tokenization_spaces: false,
  };
}

function completeConfig(
  { family, modelType, form: { activation } }: Architecture,
  given: Readonly<Record<string, unknown>>,
  tokenizer: Json,
  names: Readonly<Record<string, { id: number }>>,
): Record<string, unknown> {
  const { vocabSize } = makeTokenizer(
    tokenizer,
    { bosId: null, eosIds: [], padId: null, addBos: false, chatTemplate: null },
    'the given tokenizer.json',
  );
  const ids = ['bos', 'eos', 'pad'].map((role) => [`${role}_token_id`, names[role]?.id ?? null]);
  const config: Record<string, unknown> = {
    architectures: [`${family}ForCausalLM`],
    model_type: modelType,
    [activation.key]: activation.name,
    vocab_size: vocabSize,
    ...Object.fromEntries(ids),
    ...given,
  };
  const rows = Number(config['vocab_size']);
  if (rows >= vocabSize) return config;
  throw new SipfError(
    'bad-input',
    `Expected vocab_size of at least ${vocabSize}, the tokenizer's ids, got ${rows}. Leave vocab_size out, or raise it.`,
  );
}

/** @throws SipfError 'bad-config' where the model is too large to make. */
function weightShapes(decoder: Decoder): ReadonlyMap<string, readonly number[]> {
  const { shapes } = declaredWeights(decoder);
  const total = [...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  if (total <= MAX_PARAMETERS) return shapes;
  throw new SipfError(
    'bad-config',
    `Expected a model of at most ${MAX_PARAMETERS} parameters in ${PLACE}, got ${total}. Lower its sizes, or give a model that is trained already.`,
  );
}

/** What errors call the configuration. */
const PLACE = 'model.init';
/** A model of 4 GiB: a larger one learns nothing from nothing here. */
const MAX_PARAMETERS = 2 ** 30;

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Normal numbers of mean 0 (Box and Muller 1958). */
export function fillNormal(values: Float32Array, key: string, std: number): Float32Array {
  const random = createRandom(key);
  for (let i = 0; i < values.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(1 - random.next()));
    const angle = 2 * Math.PI * random.next();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
