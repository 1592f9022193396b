// Where models execute, as settings; they may change between two starts of a run.
import { z } from 'zod';
import { described } from './described.ts';
import { MOST } from './limits.ts';
import { type SamplerOptions, SamplerSettings } from './samplers/samplers.ts';
import { type ScorerOptions, ScorerSettings } from './scorers/scorers.ts';
import { type TrainerOptions, TrainerSettings } from './trainers/trainers.ts';

export type { SamplerOptions };

/** What runs the engine of this package. */
export const Provider = z.enum(['cpu', 'webgpu']);
export type Provider = z.infer<typeof Provider>;

/** In what numbers a GPU multiplies with such matrices, and keeps its cache. */
export const Precision = z.enum(['float32', 'float16']);
export type Precision = z.infer<typeof Precision>;

/** How the matrices of a frozen base are stored. */
export const Quantisation = z.enum(['nf4', 'nf4-double', 'int4', 'int8', 'float16']);
export type Quantisation = z.infer<typeof Quantisation>;

export const EngineSettings = z.strictObject({
  module: described(
    z.string().min(1).nullable().default(null),
    'A JavaScript file whose default export makes the backend (docs/engines.md). null: the engine of this package. Give it for an engine of your own.',
  ),
  provider: described(
    Provider.default('cpu'),
    'What runs the engine of this package: the processor, or a GPU by WebGPU. Take webgpu where `sipf doctor` finds one.',
  ),
  threads: described(
    z.number().int().positive().max(MOST.workers).nullable().default(null),
    'Threads of one operation. null: one for tiny models, else the cores. Lower it where other work shares the machine.',
  ),
  slots: described(
    z.number().int().positive().max(MOST.slots).nullable().default(null),
    'Sequences that are decoded together. null: 64. Lower it where memory is short, raise it on a GPU.',
  ),
  quantisation: described(
    Quantisation.nullable().default(null),
    'How the linear layers of every model are held, with LoRA beside them (QLoRA): nf4 (4 bits, as bitsandbytes), nf4-double (its scales in 8 bits, too), int4 (4 bits, the fastest), int8 or float16. It trains with lora alone. null: float32. Take nf4 where memory is short; the results change.',
  ),
  precision: described(
    Precision.default('float32'),
    'The numbers in which a GPU multiplies with quantised matrices, and keeps keys and values. float16 takes half of the memory, and some GPUs multiply faster in it; results change in their third digit. Take it with provider webgpu and a quantisation.',
  ),
  sampler: described(
    z
      .union([SamplerSettings, z.array(SamplerSettings).min(1)])
      .nullable()
      .default(null),
    'Where paths, rollouts and answers are drawn instead (docs/engines.md). null: where everything else executes. Set it to draw from a server; a list of them, each with its own `serves`, draws rollouts and paths from different ones.',
  ),
  scorer: described(
    ScorerSettings.nullable().default(null),
    'What scores steps by a process reward model instead (docs/engines.md). null: where everything else executes. Set it to score on GPUs with vLLM.',
  ),
  trainer: described(
    TrainerSettings.nullable().default(null),
    'What trains instead (docs/engines.md). null: where everything else executes. Set it to train on GPUs with torch.',
  ),
  storage: described(
    z.string().min(1).nullable().default(null),
    'Where a run writes each finished stage, too, and takes those from that its folder lacks: s3://bucket/runs/name (docs/engines.md). null: nowhere. Set it where servers or a next machine share no disk with this one.',
  ),
});
export type EngineSettings = z.infer<typeof EngineSettings>;

/** Settings as `openBackend` takes them: those that are absent have their defaults, and the model of a sampler is named by its files. */
export interface EngineOptions extends Partial<Omit<EngineSettings, 'sampler' | 'scorer' | 'trainer'>> {
  readonly sampler?: SamplerOptions | readonly SamplerOptions[] | null;
  readonly scorer?: ScorerOptions | null;
  readonly trainer?: TrainerOptions | null;
}
