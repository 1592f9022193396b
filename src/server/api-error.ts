// A problem with a request -> an HTTP status and OpenAI's error object.
import { SipfError, type SipfErrorCode } from '../errors.ts';

/** A problem that the client is told. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Codes that a request can cause. Every other one is a fault of this machine. */
const STATUS: Readonly<Partial<Record<SipfErrorCode, number>>> = {
  'bad-input': 400,
  unsupported: 400,
  'not-found': 404,
  aborted: 503,
};

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** What a client is told of anything thrown; null: a fault of this machine, which says nothing of it outside. */
export function apiErrorOf(thrown: unknown): ApiError | null {
  if (thrown instanceof ApiError) return thrown;
  const status = thrown instanceof SipfError ? STATUS[thrown.code] : undefined;
  return status === undefined ? null : new ApiError(status, (thrown as SipfError).message);
}

/** The body of an answer that is an error. */
export function errorBody({ status, message }: ApiError) {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  return { error: { message, type, param: null, code: status } };
}
