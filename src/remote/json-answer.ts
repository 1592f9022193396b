// A reply -> its JSON, a problem that another try may not have, or a refusal.
import { z } from 'zod';
import { printable } from '../errors.ts';
import { mayPass } from '../retries.ts';
import { isOverloaded, type Reply, type Tried } from './server-requests.ts';

/** An error that came as an answer, with status 200. */
const Failure = z.object({
  error: z.union([
    z.string().transform((message) => ({ message, code: null })),
    z.object({ message: z.string(), code: z.union([z.string(), z.number()]).nullish() }),
  ]),
});

/**
 * The value of an answer of the form of `schema`.
 * @throws what `refusal` makes of an answer that no further try changes.
 */
export function readJson<T>(
  { status, value, said, askedMs }: Reply,
  schema: z.ZodType<T>,
  refusal: (got: string) => Error,
): Tried<T> {
  if (status < 200 || status >= 300) throw refusal(`status ${status}: ${said}`);
  if (value === undefined) return { problem: `text that is not JSON: ${said}` };
  const failed = Failure.safeParse(value);
  if (failed.success) {
    const { message, code } = failed.data.error;
    const problem = `an error${code == null ? '' : ` of code ${code}`}: ${printable(message)}`;
    if (mayPass(Number(code))) return { problem, askedMs, isBusy: isOverloaded(Number(code)) };
    throw refusal(problem);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { answer: parsed.data };
  const [issue] = parsed.error.issues;
  throw refusal(`${said}: ${issue?.path.join('.')}: ${issue?.message}`);
}
