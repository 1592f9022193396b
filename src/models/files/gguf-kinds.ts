// A GGUF file that holds no whole language model -> a refusal by what it is.
import { SipfError } from '../../errors.ts';
import type { GgufFile, GgufValue } from './gguf.ts';

/** @throws SipfError 'unsupported' for a LoRA, a projector, a vocabulary, other files that go beside a model, and models with experts or without a causal mask. */
export function refuseOtherKinds({ file, metadata, tensors }: GgufFile): void {
  const kind = kindOf(metadata, [...tensors.keys()]);
  if (kind === null) return;
  throw new SipfError('unsupported', `Expected a language model in ${file}, got ${kind}`);
}

function kindOf(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly string[]): string | null {
  const type = metadata.get('general.type');
  const architecture = metadata.get('general.architecture');
  if (type === 'adapter' || tensors.some((name) => /\.lora_[ab]$/.test(name)))
    return 'a LoRA adapter. Give the base as the model, and the PEFT folder that this file was made from as the adapter.';
  if (type === 'mmproj' || architecture === 'clip')
    return 'a projector for images or sound (mmproj). Give the language model that it goes with.';
  if (type === 'imatrix') return 'an importance matrix. Give a model that was made with it.';
  if (architecture === 'controlvector') return 'a control vector. Give the model that it goes with.';
  const experts = Number(metadata.get(`${architecture}.expert_count`) ?? 0);
  if (experts > 0) return `a mixture of ${experts} experts (${architecture}.expert_count). Use a dense model.`;
  if (metadata.get(`${architecture}.attention.causal`) === false)
    return `one whose tokens see those behind them (${architecture}.attention.causal false). Use a causal model.`;
  if (type === 'vocab' || tensors.length === 0) return 'a vocabulary without weights. Give the whole model.';
  return null;
}
