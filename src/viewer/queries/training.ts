// The trained folders of a run and its events -> the figures of each optimizer step.
import { join } from 'node:path';
import { z } from 'zod';
import type { RunView } from '../../pipeline/run-reader.ts';
import type { LoggedEvent } from '../../run/events.ts';
import { readJson } from '../../run/marker.ts';
import type { TrainingReply, TrainingStep } from '../api.ts';

const Step = z.object({
  step: z.number().int(),
  steps: z.number().int(),
  loss: z.number(),
  gradNorm: z.number(),
  learningRate: z.number(),
  tokens: z.number(),
  metrics: z.record(z.string(), z.number()),
});
type Step = z.infer<typeof Step>;

/** What a finished training leaves in its folder. */
const Stored = z.object({ steps: z.array(Step) });

/** Each training of the run: its steps from its folder, or from the events while it runs; when they ended from the events alone. */
export async function trainingReply(
  { dir, rounds }: Pick<RunView, 'dir' | 'rounds'>,
  logged: LoggedTrainings,
): Promise<TrainingReply> {
  const trainings: TrainingReply['trainings'][number][] = [];
  for (const { iteration, stage, folder } of placesOf(rounds)) {
    const stored = await readJson(join(dir, folder, stage, 'training.json'), Stored);
    const events = logged.of(`${iteration}/${stage}`);
    const steps = stored?.steps ?? [...events.values()].map(({ step }) => step).sort((a, b) => a.step - b.step);
    const last = steps.at(-1);
    if (last !== undefined) trainings.push({ iteration, stage, steps: last.steps, series: seriesOf(steps, events) });
  }
  return { trainings };
}

function placesOf(rounds: RunView['rounds']) {
  const ofRounds = rounds.flatMap(({ iteration }) =>
    ['3-prm', '6-policy'].map((stage) => ({ iteration, stage, folder: `iteration-${iteration}` })),
  );
  return [...ofRounds, { iteration: 0, stage: 'continued-sft', folder: 'final' }];
}

interface LoggedStep {
  readonly step: Step;
  /** Since the step before it, or since the training began or continued. */
  readonly seconds: number;
}

/** The steps of trainings as events come. A step that a kill undid is there as it was done again. */
export class LoggedTrainings {
  readonly #trainings = new Map<string, Map<number, LoggedStep>>();
  /** When the last one ended, or a stage began. */
  #last = Number.NaN;

  add({ type, time, iteration, stage, data }: LoggedEvent): void {
    const at = Date.parse(time);
    if (type === 'stage-start') this.#last = at;
    if (type !== 'train-step') return;
    const { success, data: step } = Step.safeParse(data);
    if (!success) return;
    const key = `${iteration}/${stage}`;
    const own = this.#trainings.get(key) ?? new Map<number, LoggedStep>();
    this.#trainings.set(key, own.set(step.step, { step, seconds: (at - this.#last) / 1000 }));
    this.#last = at;
  }

  /** By step. `training`: `iteration/stage`. */
  of(training: string): ReadonlyMap<number, LoggedStep> {
    return this.#trainings.get(training) ?? new Map();
  }
}

function seriesOf(steps: readonly Step[], events: ReadonlyMap<number, LoggedStep>): TrainingStep[] {
  let seconds: number | null = 0;
  return steps.map(({ steps: _, ...step }) => {
    const own = events.get(step.step)?.seconds;
    seconds = own === undefined || Number.isNaN(own) || seconds === null ? null : seconds + own;
    return { ...step, seconds };
  });
}
