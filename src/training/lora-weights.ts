// LoRA training: factors beside frozen weights (and a PRM's head) in a graph.
import type { LoraOptions } from '../backend.ts';
import { PlacedArrays } from '../engine/placed-arrays.ts';
import { FedParameters } from '../models/architectures/parameters.ts';
import { adapted, factorFeeds, Overlaid } from '../models/weights/adapted-weights.ts';
import type { ModelValues } from '../models/weights/graph-weights.ts';
import { LoraParameters } from '../models/weights/lora.ts';
import { loraFiles } from './lora-files.ts';
import { headShapes, isHead } from './prm-start.ts';
import type { Trainee, TraineeArgs } from './trainee.ts';

/**
 * The factors of `loraFiles`, in a graph.
 * @param frozen the base; disposed with the trainee.
 * @throws SipfError 'bad-input' for an adapter or options that do not belong to the model and the objective.
 */
export function loraTrainee(
  { engine, model, objective, options }: Omit<TraineeArgs, 'feeding'>,
  lora: LoraOptions,
  frozen: ModelValues,
): Trainee {
  const { below, initial, write } = loraFiles({ model, objective, options }, lora);
  const shape = { rank: lora.rank, scale: lora.alpha / lora.rank, targets: lora.targets, dropout: lora.dropout };
  const placed = new PlacedArrays(engine);
  return {
    keep: frozen.feeding === 'fed',
    initial,
    write,
    bind(graph, noise) {
      const bound = frozen.bind(graph);
      const head = new FedParameters(graph, objective.kind === 'prm' ? headShapes(model, objective) : new Map());
      const base = new Overlaid(head, bound.parameters, isHead);
      const inner = below === null ? null : adapted(base, below);
      const outer = new LoraParameters(inner ?? base, shape, noise);
      return {
        parameters: outer,
        trained: () => new Map([...outer.inputs, ...head.inputs]),
        fixed: async () => ({
          ...(await bound.feeds()),
          ...(inner && below ? await factorFeeds(inner, below, placed) : {}),
        }),
      };
    },
    async [Symbol.asyncDispose]() {
      frozen[Symbol.dispose]();
      placed[Symbol.dispose]();
    },
  };
}
