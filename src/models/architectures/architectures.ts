// The architectures there are. A config.json's `model_type`, or a GGUF file's architecture -> the one that builds it.
import { SipfError, shown } from '../../errors.ts';
import type { Architecture, ModelConfig } from './architecture.ts';
import { llama } from './llama.ts';

const ARCHITECTURES: readonly Architecture[] = [llama];

/** @throws SipfError 'unsupported' naming the model types there are. */
export function architectureOf(config: ModelConfig, file = 'config.json'): Architecture {
  return found(({ modelType }) => modelType, config['model_type'], 'model_type', file);
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
