// An adapter -> a LoRA file of llama.cpp, which it applies beside a GGUF file of the base.
import { SipfError } from '../../errors.ts';
import { adapterScale, type LoraFactors } from '../files/adapter-files.ts';
import { storedName } from '../files/gguf-model-writer.ts';
import { type GgufEntry, type GgufTensorToWrite, writeGguf } from '../files/gguf-writer.ts';
import { WRITTEN_TYPES } from '../files/written-types.ts';
import type { ExportArgs } from './export-model.ts';
import { noPolicy } from './gguf.ts';
import { requireAdapter } from './peft.ts';

/** @throws SipfError 'bad-input' where there is no adapter, or a process reward model's; 'unsupported' naming a layer that GGUF files lack. */
export async function exportGgufLora({ model, job }: ExportArgs): Promise<string[]> {
  const adapter = requireAdapter(model, job);
  if (adapter.extra.size > 0) throw noPolicy(model.source.adapter as string, job.to);
  const entries = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'text', value: model.architecture.gguf.architecture }],
    ['general.type', { type: 'text', value: 'adapter' }],
    ['adapter.type', { type: 'text', value: 'lora' }],
    // Readers multiply with alpha / rank, whatever the scale was made of.
    ['adapter.lora.alpha', { type: 'f32', value: adapterScale(adapter) * adapter.rank }],
  ]);
  const tensors = [...adapter.tensors].flatMap(([module, factors]) => storedFactors(module, factors, model));
  await writeGguf(job.out, entries, tensors);
  return [];
}

/** Rows of B lie as the base's rows do. */
function storedFactors(
  module: string,
  { a, b }: LoraFactors,
  { architecture, adapter, files, source }: ExportArgs['model'],
): GgufTensorToWrite[] {
  const name = storedName(architecture.gguf, `${module}.weight`);
  const rank = adapter?.rank ?? 1;
  const [shapeA, shapeB] = [
    [rank, a.length / rank],
    [b.length / rank, rank],
  ];
  if (name === null)
    throw new SipfError(
      'unsupported',
      `Expected only layers that GGUF files have in ${source.adapter}, got ${module}. Use --to gguf.`,
    );
  const change = architecture.gguf.change?.(name);
  const rows = change ? change.write(b, shapeB, files.config) : b;
  const type = WRITTEN_TYPES.f32;
  return [
    { name: `${name}.lora_a`, shape: shapeA, data: a, type },
    { name: `${name}.lora_b`, shape: shapeB, data: rows, type },
  ];
}
