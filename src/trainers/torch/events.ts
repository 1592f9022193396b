// A line of the program's stdout -> what it says, or null for what somebody else printed there.
import { z } from 'zod';

/** An optimizer step: figures are sums, of which the objective makes its report. */
export const ProgramStep = z.object({
  step: z.number().int().min(0),
  loss: z.number(),
  gradNorm: z.number(),
  figures: z.record(z.string(), z.number()),
});
export type ProgramStep = z.infer<typeof ProgramStep>;

const event = <Name extends string>(name: Name) => ({ event: z.literal(name) });

const ProgramEvent = z.discriminatedUnion('event', [
  z.object({ ...event('started'), step: z.number().int(), device: z.string(), processes: z.number().int() }),
  ProgramStep.extend(event('step')),
  z.object({ ...event('warning'), message: z.string() }),
  z.object({ ...event('diverged'), step: z.number().int(), loss: z.string(), gradNorm: z.string() }),
  z.object({
    ...event('error'),
    code: z.enum(['provider-unavailable', 'unsupported', 'crashed']),
    message: z.string(),
  }),
  z.object({ ...event('finished'), changed: z.boolean() }),
  z.object({
    ...event('check'),
    python: z.string(),
    packages: z.array(z.object({ name: z.string(), wanted: z.string(), found: z.string().nullable() })),
    devices: z.array(z.string()),
    problem: z.string().nullable(),
    requirements: z.string(),
    /** Why the bucket cannot be used from there; null: it can. */
    storage: z.string().nullish(),
  }),
]);
export type ProgramEvent = z.infer<typeof ProgramEvent>;

export function readEvent(line: string): ProgramEvent | null {
  if (!line.startsWith('{"event"')) return null;
  try {
    return ProgramEvent.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}
