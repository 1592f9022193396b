// `model_type` of a config.json -> the architecture that builds it.
import { SipfError } from '../errors.ts';
import type { Architecture } from './decoder.ts';
import { llama } from './llama.ts';

const ARCHITECTURES: readonly Architecture[] = [llama];

/** @throws SipfError 'unsupported' naming the model types there are. */
export function architectureOf(config: Readonly<Record<string, unknown>>): Architecture {
  const type = config['model_type'];
  const found = ARCHITECTURES.find(({ modelType }) => modelType === type);
  if (found) return found;
  const known = ARCHITECTURES.map(({ modelType }) => modelType).join(', ');
  throw new SipfError(
    'unsupported',
    `Expected model_type ${known} in config.json, got ${JSON.stringify(type)}. Use a supported model.`,
  );
}
