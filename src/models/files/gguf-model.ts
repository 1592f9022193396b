// A GGUF file -> configuration and weights in Hugging Face's words.
import { printable, SipfError } from '../../errors.ts';
import type { Architecture, ModelConfig } from '../architectures/architecture.ts';
import { ggufArchitecture } from '../architectures/architectures.ts';
import { type GgufKeys, GgufMetadata, ggufSizes } from '../architectures/gguf-layout.ts';
import { ropeFromFactors } from '../architectures/rope-factors.ts';
import { type GgufFile, type GgufTensor, readGgufPieces, readGgufTensor } from './gguf.ts';
import { refuseOtherKinds } from './gguf-kinds.ts';
import type { TensorToWrite } from './safetensors.ts';

/**
 * Configuration and weights of a GGUF model as Hugging Face names them. Llama 3's RoPE scaling, stored as the tensor rope_freqs.weight, becomes
 * `rope_parameters` (see ropeFromFactors).
 * @throws SipfError 'unsupported' for other kinds of files, architectures and tensors; 'bad-input' where metadata is missing.
 */
export async function ggufModel(gguf: GgufFile): Promise<{ config: ModelConfig; weights: readonly TensorToWrite[] }> {
  refuseOtherKinds(gguf);
  const meta = new GgufMetadata(gguf);
  const architecture = ggufArchitecture(meta.architecture, gguf.file);
  const { family, modelType, form, gguf: layout } = architecture;
  const usual = ggufSizes(meta);
  const config: Record<string, unknown> = {
    model_type: modelType,
    architectures: [`${family}ForCausalLM`],
    [form.activation.key]: form.activation.name,
    [form.norm.epsilon.key]: meta.number(form.norm.epsilon.gguf),
    ...usual,
    ...ownNumbers(meta, layout.keys),
    ...layout.config?.(meta, usual),
  };
  const factors = gguf.tensors.get(layout.ropeFactors ?? '');
  if (factors) {
    const values = [...(await readGgufTensor(factors))];
    config.rope_parameters = ropeFromFactors(Number(config.rope_theta), values);
  }
  const stored = [...gguf.tensors].filter(([, tensor]) => tensor !== factors);
  return { config, weights: stored.flatMap(([name, tensor]) => weightsOf(gguf, architecture, config, name, tensor)) };
}

function ownNumbers(meta: GgufMetadata, keys: GgufKeys = {}): ModelConfig {
  return Object.fromEntries(Object.entries(keys).map(([name, { key }]) => [name, meta.optional(key)]));
}

/** The weight that `stored` holds, or the weights that it holds below each other. */
function weightsOf(
  { file }: GgufFile,
  { modelType, gguf }: Architecture,
  config: ModelConfig,
  stored: string,
  tensor: GgufTensor,
): TensorToWrite[] {
  const layer = /^blk\.(\d+)\./.exec(stored)?.[1] ?? '';
  const [, module = '', kind] = /^(.+)\.(weight|bias)$/.exec(stored.replace(`blk.${layer}.`, 'blk.{n}.')) ?? [];
  const found = gguf.names[module];
  if (found === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected only the tensors of a ${modelType} model in ${file}, got ${printable(stored)}. Use another model.`,
    );
  }
  const names = [found].flat();
  const change = gguf.change?.(stored);
  const [rows = 0, ...rest] = tensor.shape;
  const heights = names.length === 1 ? [rows] : shared(rows, gguf.parts?.(config) ?? []);
  const values = async function* (from: number, to: number) {
    const data = await readGgufTensor(tensor);
    const width = data.length / rows;
    yield (change ? change.read(data, tensor.shape, config) : data).subarray(from * width, to * width);
  };
  return names.map((name, n) => {
    const height = heights[n] as number;
    const from = heights.slice(0, n).reduce((sum, above) => sum + above, 0);
    const whole = names.length === 1 && !change;
    return {
      name: `${name.replace('{n}', layer)}.${kind}`,
      shape: [height, ...rest],
      data: () => (whole ? readGgufPieces(tensor) : values(from, from + height)),
    };
  });
}

function shared(rows: number, parts: readonly number[]): number[] {
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => (rows * part) / total);
}
