// `model_type` of a config.json -> the architecture that builds it, and with its sizes where they are sound.
import { SipfError, shown } from '../../errors.ts';
import type { ModelFiles } from '../files/model-files.ts';
import type { Architecture, DecoderConfig } from './decoder.ts';
import { llama } from './llama.ts';

const ARCHITECTURES: readonly Architecture[] = [llama];

/** @throws SipfError 'unsupported' naming the model types there are. */
export function architectureOf(config: Readonly<Record<string, unknown>>, file = 'config.json'): Architecture {
  const type = config['model_type'];
  const found = ARCHITECTURES.find(({ modelType }) => modelType === type);
  if (found) return found;
  const known = ARCHITECTURES.map(({ modelType }) => modelType).join(', ');
  throw new SipfError(
    'unsupported',
    `Expected model_type ${known} in ${file}, got ${shown(type)}. Use a supported model.`,
  );
}

/** @throws SipfError naming the file and its key. */
export function decoderOf({ config, configFile }: Pick<ModelFiles, 'config' | 'configFile'>): {
  readonly architecture: Architecture;
  readonly config: DecoderConfig;
} {
  const architecture = architectureOf(config, configFile);
  return { architecture, config: architecture.configure(config, configFile) };
}
