// Servers of one model -> that model at each of them; one that is away is opened when it is back.
import type { Policy } from '../backend.ts';
import { messageOf, SipfError } from '../errors.ts';
import type { Tried } from '../remote/server-requests.ts';
import type { Place, ServedModel } from './sampler.ts';

interface Opening {
  readonly here: Policy;
  /** The folder of an adapter on top of the served model. */
  readonly adapter: string | null;
  /** A server without an answer is an error. */
  readonly needsAll: boolean;
}

/**
 * @throws SipfError of the first server that refuses; 'unreachable' where one is away and all are needed, or all are.
 */
export async function openReplicas(places: readonly Place[], opening: Opening): Promise<readonly ServedModel[]> {
  const { here, adapter, needsAll } = opening;
  const tried = await Promise.allSettled(places.map((place) => place.open(here, adapter)));
  const found = tried.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const refused = tried.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const [first] = [...refused.filter((error) => !isAway(error)), ...(needsAll || found.length === 0 ? refused : [])];
  if (first !== undefined) {
    for (const model of found) await model[Symbol.asyncDispose]();
    throw first;
  }
  return tried.map((one, n) => (one.status === 'fulfilled' ? one.value : openedLater(places[n]!, opening)));
}

/** Each try opens it, until it is open. */
function openedLater(place: Place, { here, adapter }: Opening): ServedModel {
  let opened: Promise<ServedModel> | null = null;
  const open = (): Promise<ServedModel> => {
    opened ??= place.open(here, adapter).catch((error: unknown) => {
      opened = null;
      throw error;
    });
    return opened;
  };
  const ask = async <T>(call: (model: ServedModel) => Promise<Tried<T>>): Promise<Tried<T>> => {
    try {
      return await call(await open());
    } catch (error) {
      if (isAway(error)) return { problem: messageOf(error) };
      throw error;
    }
  };
  return {
    contextLength: Number.POSITIVE_INFINITY,
    draw: (...args) => ask((model) => model.draw(...args)),
    logps: (...args) =>
      ask(async ({ logps }) => logps?.(...args) ?? { problem: 'no log-probabilities, which other servers tell' }),
    [Symbol.asyncDispose]: async () => (await opened?.catch(() => null))?.[Symbol.asyncDispose](),
  };
}

function isAway(error: unknown): boolean {
  return error instanceof SipfError && error.code === 'unreachable';
}
