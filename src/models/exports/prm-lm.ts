// A process reward model -> a causal LM whose tokens for good and bad score each step at a tag.
import { join } from 'node:path';
import { SipfError, shown } from '../../errors.ts';
import { readJsonObject } from '../../io/file-bytes.ts';
import { writeJson } from '../../io/files.ts';
import { EMBEDDING, HEAD, OUTPUT_HEAD } from '../architectures/output-head.ts';
import { PRM_HEAD } from '../architectures/prm-head.ts';
import { writeModelFolder, writeTokenizer } from '../files/model-writer.ts';
import { readTensor, type Tensor, type TensorEntry, type TensorToWrite } from '../files/safetensors.ts';
import type { OpenModel } from '../open-model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { addedTokens } from '../tokenizer/tokenizer-json.ts';
import { mergeWeights } from '../weights/merged-weights.ts';
import type { ExportArgs } from './export-model.ts';
import { floatOf, tensorsOf, writeGeneration } from './merged.ts';

/** The tokens that are added, in the order of their ids. */
const TOKENS = ['<|step|>', '<|good|>', '<|bad|>'] as const;

/** A difference of the head's biases that moves no score by more than 1e-4. */
const MOST_BIAS = 4e-4;

/**
 * Writes the folder. The tag is read as the line feed that ends a step, so the hidden state there is the one that the head reads. The rows of
 * the other two tokens are the head's: softmax(good, bad) at a tag is P(step correct).
 * @throws SipfError 'bad-input' for a model without such a head; 'unsupported' for one with a bias that a causal LM cannot have, or a tokenizer
 * without a token for the line feed.
 */
export async function exportPrmLm({ engine, model, job, options }: ExportArgs): Promise<string[]> {
  const { architecture, decoder, files, tokenizer, source } = model;
  const dtype = floatOf(job, 'f32');
  const lineFeed = lineFeedId(tokenizer, source.model);
  await using merged = await mergeWeights(engine, model, options);
  const head = await headOf(merged.slices, source.adapter ?? source.model);
  const first = tokenizer.vocabSize;
  const added = { first, rows: Math.max(decoder.config.vocab, first + TOKENS.length), lineFeed, head };
  const tables = await enlarged(merged.slices, added, model);
  const others = tensorsOf(merged.slices).filter(({ name }) => !tables.has(name) && !name.startsWith(`${PRM_HEAD}.`));
  const { id2label: _, label2id: __, num_labels: ___, torch_dtype: ____, ...rest } = files.config;
  const config = {
    ...rest,
    architectures: [`${architecture.family}ForCausalLM`],
    vocab_size: added.rows,
    // A soft-cap would change the difference of two logits.
    ...('final_logit_softcapping' in rest ? { final_logit_softcapping: null } : {}),
  };
  await writeTokenizer(job.out, files.path, options);
  await addTokens(job.out, first);
  const tensors = [...others, ...tables.values()];
  await writeModelFolder(job.out, { config, tensors, dtype, tokenizerFrom: null }, options);
  await writeGeneration(job.out, model);
  await writeJson(join(job.out, 'step_scores.json'), {
    step_tag: TOKENS[0],
    step_tag_id: first,
    returned_token_ids: [first + 1, first + 2],
  });
  return [];
}

interface Head {
  /** `[2, hidden]`: incorrect, correct. */
  readonly weight: Tensor;
  readonly bias: readonly number[];
}

async function headOf(slices: ReadonlyMap<string, TensorEntry>, path: string): Promise<Head> {
  const read = async (kind: string) => {
    const slice = slices.get(`${PRM_HEAD}.${kind}`);
    return slice && readTensor(`${PRM_HEAD}.${kind}`, slice);
  };
  const [weight, bias] = [await read('weight'), await read('bias')];
  if (weight) return { weight, bias: bias ? [...bias.data] : [0, 0] };
  throw new SipfError(
    'bad-input',
    `Expected a process reward model (with ${PRM_HEAD}.weight), got ${path} without one. Give the folder 3-prm of a round, or use --to merged.`,
  );
}

interface Added {
  /** Id of the tag; good and bad follow. */
  readonly first: number;
  readonly rows: number;
  readonly lineFeed: number;
  readonly head: Head;
}

/** The embedding and the output head with rows for the new tokens. A tied table is both: good and bad are never read, the tag is never drawn. */
async function enlarged(
  slices: ReadonlyMap<string, TensorEntry>,
  { first, rows, lineFeed, head }: Added,
  { architecture: { form }, decoder: { config }, source }: OpenModel,
): Promise<Map<string, TensorToWrite>> {
  const { hidden, tied } = config;
  const [incorrect, correct] = [head.weight.data.subarray(0, hidden), head.weight.data.subarray(hidden)];
  const [b0 = 0, b1 = 0] = head.bias;
  if (!form.biasedHead && Math.abs(b1 - b0) > MOST_BIAS) throw biased(b1 - b0, source.adapter ?? source.model);
  const table = async (name: string, width: number, place: (data: Float32Array) => void): Promise<TensorToWrite> => {
    const slice = slices.get(name);
    const more = new Float32Array(rows * width);
    // A token classifier has no output head: all other tokens are as likely.
    if (slice) more.set((await readTensor(name, slice)).data);
    place(more);
    return { name, shape: width === 1 ? [rows] : [rows, width], data: more };
  };
  const answers = (data: Float32Array) => {
    data.set(correct, (first + 1) * hidden);
    data.set(incorrect, (first + 2) * hidden);
  };
  const embedding = await table(EMBEDDING, hidden, (data) => {
    data.copyWithin(first * hidden, lineFeed * hidden, (lineFeed + 1) * hidden);
    if (tied) answers(data);
  });
  const tables = [embedding];
  if (!tied) tables.push(await table(OUTPUT_HEAD, hidden, answers));
  if (form.biasedHead) tables.push(await table(`${HEAD}.bias`, 1, (data) => data.set([b1, b0], first + 1)));
  return new Map(tables.map((tensor) => [tensor.name, tensor]));
}

function biased(bias: number, path: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a head without a bias in ${path} (an output head of this architecture has none), got a difference of ${shown(bias)} between ${PRM_HEAD}.bias[1] and [0]. Train the process reward model with --prm.headBias false.`,
  );
}

/** @throws SipfError 'unsupported' where a line feed is several tokens: the tag could not stand for all of them. */
function lineFeedId(tokenizer: Tokenizer, model: string): number {
  const [id, ...more] = tokenizer.encodeContinuation('\n');
  if (id !== undefined && more.length === 0) return id;
  throw new SipfError(
    'unsupported',
    `Expected a tokenizer with a token for the line feed, got ${model}, which writes it with ${more.length + 1}: no tag can stand for it. Use --to merged.`,
  );
}

/** Special tokens at the end of the vocabulary. */
async function addTokens(folder: string, first: number): Promise<void> {
  const file = join(folder, 'tokenizer.json');
  const json = await readJsonObject(file);
  const form = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokens = TOKENS.map((content, n) => ({ id: first + n, content, ...form }));
  await writeJson(file, { ...json, added_tokens: [...addedTokens(json), ...tokens] });
}
