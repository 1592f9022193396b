// A folder's configuration and tensors -> a refusal of quantised weights by what they are.
import { printable, SipfError, shown } from '../../errors.ts';
import type { TensorEntry } from './safetensors.ts';

type Json = Readonly<Record<string, unknown>>;

/** Names that quantisers give the tensors beside a packed weight. */
const TENSORS: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\.(absmax|nested_absmax|quant_map|nested_quant_map)$|\.quant_state\./, 'bitsandbytes 4-bit'],
  [/\.(SCB|weight_format)$/, 'bitsandbytes 8-bit'],
  [/\.(qweight|qzeros|g_idx)$/, 'GPTQ or AWQ'],
  [/\.(weight_packed|weight_shape|weight_zero_point)$/, 'compressed-tensors'],
  [/\.(weight_scale|weight_scale_inv|input_scale|activation_scale)$/, 'FP8 or compressed-tensors'],
  [/_(blocks|scales)$/, 'MXFP4'],
  [/\.(scales|biases)$/, 'MLX'],
];

/** Stored types of plain weights. */
const PLAIN = new Set(['F32', 'F16', 'BF16', 'F64']);

/** @throws SipfError 'unsupported' where config.json says that the weights are quantised. */
export function refuseQuantisedConfig(config: Json, file: string): void {
  for (const key of ['quantization_config', 'compression_config', 'quantization']) {
    const value = config[key];
    if (value === undefined || value === null) continue;
    throw quantised(`${methodOf(key, value)} (${key} in ${file})`);
  }
}

/** @throws SipfError 'unsupported' where the tensors' names or types say it, and config.json does not. */
export function refuseQuantisedTensors(entries: ReadonlyMap<string, Pick<TensorEntry, 'dtype' | 'file'>>): void {
  for (const [name, { file }] of entries) {
    const found = TENSORS.find(([pattern]) => pattern.test(name));
    if (found) throw quantised(`${found[1]} (tensor ${printable(name)} in ${file})`);
  }
  for (const [name, { dtype, file }] of entries) {
    if (name.endsWith('.weight') && !PLAIN.has(dtype)) {
      throw quantised(
        `${dtype.startsWith('F8') ? 'FP8' : `packed ${dtype} values`} (tensor ${printable(name)} in ${file})`,
      );
    }
  }
}

function methodOf(key: string, value: unknown): string {
  if (typeof value !== 'object' || Array.isArray(value)) return shown(value);
  const settings = value as Json;
  if (key === 'quantization') return `MLX ${bitsText(settings['bits'])}`;
  const method =
    typeof settings['quant_method'] === 'string' ? printable(settings['quant_method'], 40) : 'an unnamed method';
  if (settings['load_in_8bit'] === true) return `${method} 8-bit`;
  if (settings['load_in_4bit'] === true) return `${method} 4-bit`;
  return `${method} ${bitsText(settings['bits'] ?? settings['w_bit'])}`.trim();
}

const bitsText = (bits: unknown): string => (typeof bits === 'number' ? `${bits}-bit` : '');

function quantised(what: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected weights in F32, F16 or BF16, got quantised ones: ${what}. ` +
      'Use the model that they were made from, or a .gguf file of it. Dequantised weights need that setting removed.',
  );
}
