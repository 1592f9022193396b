// The list of architectures. A `model_type` or a GGUF file's architecture -> the one it names.
import { SipfError, shown } from '../../errors.ts';
import { editDistance } from '../../nearest.ts';
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

/** @throws SipfError 'unsupported' naming the model types there are, and the nearest; for models of other classes, or that read more than text. */
export function architectureOf(config: ModelConfig, file = 'config.json'): Architecture {
  if (config['text_config'] === undefined) {
    const architecture = found(({ modelType }) => modelType, config['model_type'], 'model_type', file);
    checkClasses(architecture, config['architectures'], file);
    return architecture;
  }
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

/** Other classes of one model_type compute otherwise (BitNet's are of model_type llama). */
function checkClasses({ family, modelType }: Architecture, stated: unknown, file: string): void {
  const own = new RegExp(`^${family}(For|Model)`, 'i');
  if (!Array.isArray(stated) || stated.length === 0 || stated.some((name) => own.test(String(name)))) return;
  throw new SipfError(
    'unsupported',
    `Expected architectures ${family}ForCausalLM in ${file}, as its model_type is ${modelType}, got ${shown(stated[0])}. Use a supported model.`,
  );
}

function found(nameOf: (architecture: Architecture) => string, name: unknown, key: string, file: string): Architecture {
  const architecture = ARCHITECTURES.find((one) => nameOf(one) === name);
  if (architecture) return architecture;
  const known = [...new Set(ARCHITECTURES.map(nameOf))];
  const nearest = typeof name === 'string' ? related(name, known) : undefined;
  const hint = nearest === undefined ? '' : `; the nearest is ${nearest}`;
  throw new SipfError(
    'unsupported',
    `Expected ${key} ${known.join(', ')} in ${file}, got ${shown(name)}. Use a supported model${hint}.`,
  );
}

/** Letters that names of one family begin with alike, and the share of letters in which others may differ. */
const ALIKE = 3;
const FAR = 1 / 3;

/** The name that begins as `name` does for longest, or is spelt nearly so; undefined: none is related. */
function related(name: string, known: readonly string[]): string | undefined {
  const begun = (other: string) => [...other].findIndex((letter, n) => letter !== name[n]);
  const alike = known.map((other) => ({ other, letters: begun(other) < 0 ? other.length : begun(other) }));
  const longest = alike.reduce((a, b) => (b.letters > a.letters ? b : a));
  if (longest.letters >= ALIKE) return longest.other;
  return known.find((other) => editDistance(name, other) <= FAR);
}
