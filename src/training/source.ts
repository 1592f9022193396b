// TrainJob.source -> opened model files, tokenizer, architecture and adapter. Leaves reading whole weights to who trains them.
import { relative, resolve } from 'node:path';
import type { TrainJob } from '../backend.ts';
import { printable, SipfError } from '../errors.ts';
import { checkpointHash } from '../hashing.ts';
import { exists } from '../io/file-bytes.ts';
import { decoderOf } from '../models/architectures/architectures.ts';
import type { Architecture, DecoderConfig } from '../models/architectures/decoder.ts';
import { type AdapterFiles, adapterHash, readAdapter } from '../models/files/adapter-files.ts';
import { type CacheOptions, type ModelFiles, openModelFiles } from '../models/files/model-files.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { checkWeights } from '../models/weights/check-weights.ts';

/** What training starts from. */
export interface TrainingSource {
  readonly files: ModelFiles;
  readonly adapter: AdapterFiles | null;
  readonly architecture: Architecture;
  readonly config: DecoderConfig;
  readonly tokenizer: Tokenizer;
  /** Of weights and adapter. */
  readonly hash: string;
  /** How artefacts name the base: a hub id as given, else its path from the written folder, so that no absolute path gets into them. */
  readonly baseName: string;
}

/** @throws SipfError where files are missing, do not fit each other, or are not supported. */
export async function openTrainingSource(
  { source, out }: Pick<TrainJob, 'source' | 'out'>,
  options: CacheOptions,
): Promise<TrainingSource> {
  const files = await openModelFiles(source.model, options);
  const { architecture, config } = decoderOf(files);
  checkWeights(architecture, config, files);
  const tokenizer = await loadTokenizer(source.model, options);
  checkVocabulary(tokenizer, config.vocab);
  const adapter = source.adapter === undefined ? null : await readAdapter(source.adapter);
  if (adapter) checkAdapter(adapter, files, source.adapter as string);
  return {
    files,
    adapter,
    architecture,
    config,
    tokenizer,
    hash: checkpointHash(files.hash, source.adapter === undefined ? null : await adapterHash(source.adapter, options)),
    baseName: (await exists(source.model)) ? relative(resolve(out), resolve(source.model)) : source.model,
  };
}

function checkAdapter({ tensors, rank }: AdapterFiles, { shapes }: ModelFiles, folder: string): void {
  for (const [module, { a, b }] of tensors) {
    const shape = shapes.get(`${module}.weight`);
    if (shape && shape[1] === a.length / rank && shape[0] === b.length / rank) continue;
    throw new SipfError(
      'bad-input',
      `Expected an adapter for this model in ${folder}, got factors of ${printable(module)} for [${b.length / rank}, ${a.length / rank}] where the model has ${shape ? `[${shape}]` : 'no such layer'}. Use the base that the adapter was trained on.`,
    );
  }
}
