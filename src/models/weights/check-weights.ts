// A configuration and the shapes in its files -> nothing, or an error that says what is wrong.
import { Graph } from '../../engine/graph.ts';
import { printable, SipfError } from '../../errors.ts';
import { type Decoder, decode } from '../architectures/architecture.ts';
import { EMBEDDING, HEAD, OUTPUT_HEAD } from '../architectures/output-head.ts';
import { FedParameters } from '../architectures/parameters.ts';
import { PRM_HEAD } from '../architectures/prm-head.ts';
import type { ModelFiles } from '../files/model-files.ts';
import { declareInputs } from '../pass-inputs.ts';

/** Tables that old versions of transformers stored beside the weights: recomputed from config.json. */
const RECOMPUTED = /\.rotary_emb\.inv_freq$/;

/**
 * Checks that the weights are those that config.json describes: none missing, none of another shape, and none left over, since a model
 * without some of its layers would answer, but nonsense.
 * @throws SipfError 'bad-input' naming the first weight and `path`.
 */
export function checkWeights(decoder: Decoder, { path, shapes }: Pick<ModelFiles, 'path' | 'shapes'>): void {
  // Without the embedding as well, the names are other ones altogether.
  if (!decoder.config.tied && hasVocabularyHead(shapes) && !shapes.has(OUTPUT_HEAD) && shapes.has(EMBEDDING))
    throw headless(path);
  const parameters = new FedParameters(new Graph(), shapes, path);
  const { hidden } = decode(decoder, parameters, declareInputs(parameters.graph, decoder.config));
  if (hasVocabularyHead(shapes)) decoder.logits(parameters, hidden);
  for (const name of shapes.keys()) {
    if (parameters.inputs.has(name) || isHead(name) || RECOMPUTED.test(name)) continue;
    throw new SipfError(
      'bad-input',
      `Expected only weights that its configuration asks for in ${path}, got ${printable(name)} as well. Check num_hidden_layers (block_count of a GGUF file) and model_type, or use matching files.`,
    );
  }
}

/** A token classifier need not have one. */
const hasVocabularyHead = (shapes: ModelFiles['shapes']): boolean =>
  shapes.has(OUTPUT_HEAD) || !shapes.has(`${PRM_HEAD}.weight`);

/** Tied models may store their output projection all the same. */
const isHead = (name: string): boolean => [HEAD, PRM_HEAD].some((head) => name.startsWith(`${head}.`));

function headless(path: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${OUTPUT_HEAD} in ${path}, as tie_word_embeddings is not true in its configuration, got none. Download the weights again, or set tie_word_embeddings true if the embedding is the output head.`,
  );
}
