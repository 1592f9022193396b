// The list of architectures. A `model_type` or a GGUF file's architecture -> the one it names.
import { SipfError, shown } from '../../errors.ts';
import type { Architecture, ModelConfig } from './architecture.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { olmo2 } from './olmo2.ts';
import { phi } from './phi.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';

export const ARCHITECTURES: readonly Architecture[] = [
  llama,
  mistral,
  smollm3,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3,
  phi,
  olmo2,
];

/** @throws SipfError 'unsupported' naming the model types there are. */
export function architectureOf(config: ModelConfig, file = 'config.json'): Architecture {
  if (config['text_config'] === undefined)
    return found(({ modelType }) => modelType, config['model_type'], 'model_type', file);
  throw new SipfError(
    'unsupported',
    `Expected a model of text alone in ${file}, got ${shown(config['model_type'])} with a text_config: it reads images or sound as well. Use its text model, saved on its own.`,
  );
}

/** Whether the output head is the embedding where config.json does not say. */
export function tiesByDefault(config: ModelConfig): boolean {
  return ARCHITECTURES.some(({ modelType, form }) => form.tied && modelType === config['model_type']);
}

/** The architecture of a GGUF file that says `general.architecture`. @throws SipfError 'unsupported' naming those there are. */
export function ggufArchitecture(name: string, file: string): Architecture {
  return found(({ gguf }) => gguf.architecture, name, 'general.architecture', file);
}

function found(nameOf: (architecture: Architecture) => string, name: unknown, key: string, file: string): Architecture {
  const architecture = ARCHITECTURES.find((one) => nameOf(one) === name);
  if (architecture) return architecture;
  const known = ARCHITECTURES.map(nameOf).join(', ');
  throw new SipfError('unsupported', `Expected ${key} ${known} in ${file}, got ${shown(name)}. Use a supported model.`);
}
