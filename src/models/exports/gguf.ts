// A model with its adapter -> one GGUF file, chat template and special tokens inside.
import { SipfError } from '../../errors.ts';
import { PRM_HEAD } from '../architectures/prm-head.ts';
import { writeGgufModel } from '../files/gguf-model-writer.ts';
import { ggufVocabulary } from '../tokenizer/gguf-vocabulary.ts';
import { mergeWeights } from '../weights/merged-weights.ts';
import type { ExportArgs } from './export-model.ts';
import { tensorsOf } from './merged.ts';

/** @throws SipfError 'bad-input' for a process reward model; 'unsupported' where GGUF files cannot hold the model or its tokenizer. */
export async function exportGguf({ engine, model, job, name, options }: ExportArgs): Promise<string[]> {
  const { architecture, decoder, files, source } = model;
  const vocabulary = await ggufVocabulary(files.path, decoder.config.vocab, options);
  await using merged = await mergeWeights(engine, model, options);
  if (merged.slices.has(`${PRM_HEAD}.weight`)) throw noPolicy(source.adapter ?? source.model, job.to);
  const weights = tensorsOf(merged.slices);
  const { config, configFile } = files;
  const written = { name, architecture, decoder, config, configFile, weights, vocabulary: vocabulary.entries };
  const lost = await writeGgufModel(job.out, written, job.dtype ?? 'f16');
  return [...lost, ...vocabulary.warnings];
}

/** The error about a process reward model where a policy belongs. */
export function noPolicy(path: string, to: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected a policy for --to ${to}, got the process reward model ${path}. Use --to prm-lm, then export that folder as a GGUF file.`,
  );
}
