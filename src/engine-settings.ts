// Where models execute, as settings of the configuration. They may change between two starts of one run.
import { z } from 'zod';
import { described } from './described.ts';
import { MOST } from './limits.ts';

export const EngineSettings = z.strictObject({
  module: described(
    z.string().min(1).nullable().default(null),
    'A JavaScript file whose default export makes the backend (docs/engines.md). null: the engine of this package. Give it for an engine of your own.',
  ),
  provider: described(
    z.enum(['cpu', 'webgpu']).default('cpu'),
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
});
export type EngineSettings = z.infer<typeof EngineSettings>;
