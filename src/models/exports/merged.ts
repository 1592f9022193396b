// A model with its adapter -> one Hugging Face folder that transformers opens.
import { join } from 'node:path';
import { SipfError } from '../../errors.ts';
import { exists } from '../../io/file-bytes.ts';
import { writeJson } from '../../io/files.ts';
import { PRM_HEAD, STEP_LABELS } from '../architectures/prm-head.ts';
import { type FloatName, isFloat, statedFloat, writeModelFolder } from '../files/model-writer.ts';
import { readTensorPieces, type TensorEntry, type TensorToWrite } from '../files/safetensors.ts';
import type { OpenModel } from '../open-model.ts';
import { mergeWeights } from '../weights/merged-weights.ts';
import type { ExportArgs, ExportJob } from './export-model.ts';

/** @throws SipfError 'bad-input' for a number type of GGUF files alone; 'unsupported' where transformers has no such RoPE scaling. */
export async function exportMerged({ engine, model, job, options }: ExportArgs): Promise<string[]> {
  const dtype = floatOf(job, statedFloat(model.files.config));
  refuseFactors(model);
  await using merged = await mergeWeights(engine, model, options);
  const tensors = tensorsOf(merged.slices);
  const isPrm = merged.slices.has(`${PRM_HEAD}.weight`);
  const architectures = [`${model.architecture.family}For${isPrm ? 'TokenClassification' : 'CausalLM'}`];
  const { torch_dtype: _, ...own } = model.files.config;
  const config = { ...own, architectures, ...(isPrm ? STEP_LABELS : {}) };
  await writeModelFolder(job.out, { config, tensors, dtype, tokenizerFrom: model.files.path }, options);
  await writeGeneration(job.out, model);
  return [];
}

/** The number type of a folder's weights. @throws SipfError 'bad-input' for one of GGUF files alone. */
export function floatOf({ to, dtype }: ExportJob, usual: FloatName): FloatName {
  if (dtype === undefined) return usual;
  if (isFloat(dtype)) return dtype;
  throw new SipfError(
    'bad-input',
    `Expected --dtype f32, f16 or bf16 for --to ${to}, got ${dtype}. Name one of them, or use --to gguf.`,
  );
}

/** RoPE factors that only GGUF files state. */
function refuseFactors({ files }: OpenModel): void {
  const rope = files.config['rope_parameters'] as Readonly<Record<string, unknown>> | undefined;
  if (rope?.['rope_type'] !== 'freq_factors') return;
  throw new SipfError(
    'unsupported',
    `Expected RoPE settings that config.json can state, got the tensor rope_freqs.weight in ${files.configFile}. Use --to gguf, or the model's Hugging Face folder.`,
  );
}

/** Weights as they are stored, read piece by piece. */
export function tensorsOf(slices: ReadonlyMap<string, TensorEntry>): TensorToWrite[] {
  return [...slices].map(([name, slice]) => ({
    name,
    shape: slice.shape,
    data: () => readTensorPieces(name, slice),
  }));
}

/** Where the base has no generation_config.json: all tokens that end a text, so that generation stops. */
export async function writeGeneration(folder: string, { tokenizer }: Pick<OpenModel, 'tokenizer'>): Promise<void> {
  const file = join(folder, 'generation_config.json');
  if (await exists(file)) return;
  const { bosId, eosIds, padId } = tokenizer;
  await writeJson(file, { bos_token_id: bosId, eos_token_id: eosIds, pad_token_id: padId });
}
