// The trained folders of a run and its events -> the figures of each optimizer step.
import { join } from 'node:path';
import { z } from 'zod';
import { readTextFile } from '../../io/file-bytes.ts';
import type { RunView } from '../../pipeline/run-reader.ts';
import { eventsIn } from '../../run/events.ts';
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
export async function trainingReply({ dir, rounds }: Pick<RunView, 'dir' | 'rounds'>): Promise<TrainingReply> {
  const logged = loggedTrainings((await readTextFile(join(dir, 'events.jsonl'))) ?? '');
  const trainings: TrainingReply['trainings'][number][] = [];
  for (const { iteration, stage, folder } of placesOf(rounds)) {
    const stored = await readJson(join(dir, folder, stage, 'training.json'), Stored);
    const events = logged.get(`${iteration}/${stage}`) ?? new Map<number, LoggedStep>();
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

/** By `iteration/stage` and step. A step that a kill undid is there as it was done again. */
function loggedTrainings(events: string): Map<string, Map<number, LoggedStep>> {
  const trainings = new Map<string, Map<number, LoggedStep>>();
  let last = Number.NaN;
  for (const { type, time, iteration, stage, data } of eventsIn(events)) {
    const at = Date.parse(time);
    if (type === 'stage-start') last = at;
    const { success, data: step } = Step.safeParse(data);
    if (type !== 'train-step' || !success) continue;
    const key = `${iteration}/${stage}`;
    const own = trainings.get(key) ?? new Map<number, LoggedStep>();
    trainings.set(key, own.set(step.step, { step, seconds: (at - last) / 1000 }));
    last = at;
  }
  return trainings;
}

function seriesOf(steps: readonly Step[], events: ReadonlyMap<number, LoggedStep>): TrainingStep[] {
  let seconds: number | null = 0;
  return steps.map(({ steps: _, ...step }) => {
    const own = events.get(step.step)?.seconds;
    seconds = own === undefined || Number.isNaN(own) || seconds === null ? null : seconds + own;
    return { ...step, seconds };
  });
}
