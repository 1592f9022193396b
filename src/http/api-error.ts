// A problem with a request -> an HTTP status, what the client is told, and headers beside it.
import { SipfError, type SipfErrorCode } from '../errors.ts';

/** A problem that the client is told. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** What the status needs besides: `allow` of 405, say. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** Codes that a request can cause. Every other one is a fault of this machine. */
const STATUS: Readonly<Partial<Record<SipfErrorCode, number>>> = {
  'bad-input': 400,
  unsupported: 400,
  'not-found': 404,
  aborted: 503,
};

/** What a client is told of anything thrown; null: a fault of this machine, which says nothing of it outside. */
export function apiErrorOf(thrown: unknown): ApiError | null {
  if (thrown instanceof ApiError) return thrown;
  const status = thrown instanceof SipfError ? STATUS[thrown.code] : undefined;
  return status === undefined ? null : new ApiError(status, (thrown as SipfError).message);
}
