// A Python program with torch, transformers and PEFT that trains: its settings, and what opens it.
import { z } from 'zod';
import { described } from '../described.ts';
import { RaySettings } from './ray-settings.ts';
import { defineTrainer } from './trainer.ts';

const Settings = z.strictObject({
  kind: described(
    z.literal('torch'),
    'A Python program with torch, transformers and PEFT. Set it to train on a GPU of CUDA.',
  ),
  command: described(
    z.array(z.string().min(1)).min(1).default(['python']),
    'What runs the program: words of a command, not of a shell. In a cluster they are found on its machines. Set ["torchrun", "--nproc_per_node", "4"] for four GPUs, or the python of a virtual environment.',
  ),
  ray: described(
    RaySettings.nullable().default(null),
    'A Ray cluster whose Jobs API starts the program there. null: this machine does. Set it to train on the GPUs of a cluster.',
  ),
  device: described(
    z.enum(['auto', 'cpu', 'cuda']).default('auto'),
    'Where it trains. auto: on a CUDA GPU where torch finds one. Set cuda to be told where there is none.',
  ),
  precision: described(
    z.enum(['float32', 'bf16']).default('float32'),
    'The numbers of products. bf16: the frozen base is held in it, too; what is trained stays in float32. Take bf16 on a GPU.',
  ),
  quantisation: described(
    z.enum(['nf4', 'nf4-double']).nullable().default(null),
    'How bitsandbytes holds the frozen base beside LoRA (QLoRA); slow without a GPU. null: not at all. Take nf4-double where the GPU has too little memory.',
  ),
  gradientCheckpointing: described(
    z.boolean().default(false),
    'Each layer is computed again in the backward pass, for time instead of memory. Set it where the GPU has too little memory.',
  ),
});
export type TorchSettings = z.output<typeof Settings>;

export const torch = defineTrainer({
  settings: Settings,
  // Loaded by who trains: settings alone need no tokenizer and no process.
  open: async (settings, parts) => (await import('./torch/torch-trainer.ts')).torchTrainer(settings, parts),
  check: async (settings, parts) => (await import('./torch/check.ts')).checkTorch(settings, parts),
});
