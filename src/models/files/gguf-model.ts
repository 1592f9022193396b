// A GGUF file -> configuration and weights in Hugging Face's words.
import { printable, SipfError } from '../../errors.ts';
import type { Architecture, ModelConfig } from '../architectures/architecture.ts';
import { ggufArchitecture } from '../architectures/architectures.ts';
import { GgufMetadata } from '../architectures/gguf-layout.ts';
import { ropeFromFactors } from '../architectures/rope-factors.ts';
import { type GgufFile, type GgufTensor, readGgufPieces, readGgufTensor } from './gguf.ts';
import { refuseOtherKinds } from './gguf-kinds.ts';

/** A tensor of the model under its Hugging Face name. */
export interface GgufWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly pieces: () => AsyncIterable<Float32Array>;
}

interface GgufModel {
  readonly config: ModelConfig;
  readonly weights: readonly GgufWeight[];
}

/**
 * Configuration and weights of a GGUF model as Hugging Face names them. Llama 3's RoPE scaling, stored as the tensor rope_freqs.weight, becomes
 * `rope_parameters` (see ropeFromFactors).
 * @throws SipfError 'unsupported' for other kinds of files, architectures and tensors; 'bad-input' where metadata is missing.
 */
export async function ggufModel(gguf: GgufFile): Promise<GgufModel> {
  refuseOtherKinds(gguf);
  const meta = new GgufMetadata(gguf);
  const architecture = ggufArchitecture(meta.architecture, gguf.file);
  const { family, modelType, gguf: layout } = architecture;
  const config: Record<string, unknown> = {
    model_type: modelType,
    architectures: [`${family}ForCausalLM`],
    ...layout.config(meta),
  };
  const factors = gguf.tensors.get(layout.ropeFactors ?? '');
  if (factors) {
    const values = [...(await readGgufTensor(gguf.file, factors))];
    config.rope_parameters = ropeFromFactors(Number(config.rope_theta), values);
  }
  const weights = [...gguf.tensors].filter(([, tensor]) => tensor !== factors);
  return { config, weights: weights.map(([stored, tensor]) => weightOf(gguf, architecture, config, stored, tensor)) };
}

function weightOf(
  { file }: GgufFile,
  { modelType, gguf }: Architecture,
  config: ModelConfig,
  stored: string,
  tensor: GgufTensor,
): GgufWeight {
  const layer = /^blk\.(\d+)\./.exec(stored)?.[1];
  const name = gguf.names[layer === undefined ? stored : stored.replace(`blk.${layer}.`, 'blk.{n}.')];
  if (name === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected only the tensors of a ${modelType} model in ${file}, got ${printable(stored)}. Use another model.`,
    );
  }
  const undo = gguf.undo?.(stored);
  const { shape } = tensor;
  async function* undone() {
    const data = await readGgufTensor(file, tensor);
    yield undo ? undo(data, shape, config) : data;
  }
  return {
    name: name.replace('{n}', layer ?? ''),
    shape,
    pieces: () => (undo ? undone() : readGgufPieces(file, tensor)),
  };
}
