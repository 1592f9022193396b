// What an endpoint is given, and what it gives back.
import type { Reply } from '../http/replies.ts';
import type { Lease, ServedModels } from './served-models.ts';

export interface Exchange {
  /** Parsed JSON that nobody has checked; undefined for GET. */
  readonly body: unknown;
  /** Fires when the client is gone, its time is over or the server stops. */
  readonly signal: AbortSignal;
  /** Whose request it is, and a part of the answer's id. */
  readonly caller: string;
  readonly models: ServedModels;
  /** A model that stays open until the reply is sent; without a name the base model. */
  readonly lease: (name: string | null | undefined) => Lease;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** A seed for a request without one. */
  readonly randomSeed: () => number;
}

/** @throws ApiError, or SipfError 'bad-input' naming the field: what the client is told. */
export type Endpoint = (exchange: Exchange) => Promise<Reply>;
