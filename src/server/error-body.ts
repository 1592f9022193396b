// A problem that a client is told -> OpenAI's error object.
import type { ApiError } from '../http/api-error.ts';

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
};

/** The body of an answer that is an error. */
export function errorBody({ status, message }: ApiError): object {
  const type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  return { error: { message, type, param: null, code: status } };
}
