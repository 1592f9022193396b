// GET /v1/models -> the models and adapters that a server has, as it says.
import { z } from 'zod';
import { isBusy, type Reply, type ServerRequests } from './server-requests.ts';

const Cards = z.object({
  data: z.array(
    z.object({ id: z.string(), owned_by: z.string().nullish(), max_model_len: z.number().int().positive().nullish() }),
  ),
});
export type ModelCard = z.infer<typeof Cards>['data'][number];

export interface ModelCards {
  readonly reply: Reply;
  /** null: it does not list them. */
  readonly cards: readonly ModelCard[] | null;
}

/** @throws SipfError 'unreachable' where there is no answer; 'aborted'. */
export async function modelCards(requests: ServerRequests, signal: AbortSignal): Promise<ModelCards> {
  const request = { path: '/v1/models', passes: isBusy };
  const reply = await requests.send(request, (answer) => ({ answer }), signal);
  const parsed = Cards.safeParse(reply.value);
  return { reply, cards: parsed.success ? parsed.data.data : null };
}
