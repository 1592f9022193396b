// What the client of S3 threw -> an error that says what to do; it holds no key and no signature.
import { codeOf, messageOf, printable, SipfError, type SipfErrorCode } from '../errors.ts';

/** What was asked for. */
export interface Attempt {
  readonly verb: 'list' | 'read' | 'write' | 'delete';
  readonly address: string;
  /** undefined: AWS's own. */
  readonly endpoint: string | undefined;
  readonly signal: AbortSignal | undefined;
}

type Meaning = readonly [code: SipfErrorCode, got: string, advice: string];

const WRONG_TOKEN: Meaning = [
  'bad-config',
  'a refusal: a wrong session token',
  'Correct AWS_SESSION_TOKEN, or unset it.',
];

/** Name of an error of the service -> what it means, and what to do. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: ['not-found', 'no bucket of that name', 'Make the bucket, or correct the address.'],
  NoSuchKey: ['not-found', 'nothing there', 'Correct the address.'],
  PreconditionFailed: ['not-found', 'another content than a moment ago', 'Try again when nobody writes there.'],
  InvalidAccessKeyId: ['bad-config', 'a refusal: no such key', 'Correct AWS_ACCESS_KEY_ID.'],
  SignatureDoesNotMatch: ['bad-config', 'a refusal: a wrong secret', 'Correct AWS_SECRET_ACCESS_KEY.'],
  ExpiredToken: ['bad-config', 'a refusal: the keys have expired', 'Get new ones, with their AWS_SESSION_TOKEN.'],
  InvalidToken: WRONG_TOKEN,
  // MinIO's word for it.
  InvalidTokenId: WRONG_TOKEN,
  RequestTimeTooSkewed: ['bad-config', 'a refusal: the clocks differ', 'Set the clock of this machine.'],
  PermanentRedirect: ['bad-config', 'a bucket of another region', 'Set AWS_REGION.'],
  AuthorizationHeaderMalformed: ['bad-config', 'a refusal of the region', 'Set AWS_REGION.'],
  XMinioStorageFull: ['write-failed', 'a full disk there', 'Free some space there.'],
};

const AGAIN = 'Then the same command continues.';

/** null in place of the error where a file is not there; the bucket itself must be. @throws what was thrown else. */
export function hasNone(thrown: unknown): null {
  if (nameOf(thrown) === 'NoSuchKey') return null;
  throw thrown;
}

/** The client's own error stays behind: it knows the request. */
export function failure(thrown: unknown, { verb, address, endpoint, signal }: Attempt): SipfError {
  if (thrown instanceof SipfError) return thrown;
  if (signal?.aborted) return new SipfError('aborted', 'Stopped on request.');
  const { code, got, advice } = meaningOf(thrown, endpoint);
  return new SipfError(code, `Expected to ${verb} ${address} at ${serverOf(endpoint)}, got ${got}. ${advice} ${AGAIN}`);
}

function meaningOf(thrown: unknown, endpoint: string | undefined) {
  const name = nameOf(thrown);
  const status = statusOf(thrown);
  const [code, got, advice] = MEANINGS[name] ?? [];
  if (code !== undefined && got !== undefined && advice !== undefined) return { code, got, advice };
  const said = printable(messageOf(thrown) || codeOf(thrown) || name);
  if (status === 403 || status === 401) {
    const rights =
      'Allow the key s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it.';
    return { code: 'bad-config', got: `a refusal (status ${status}, ${name})`, advice: rights } as const;
  }
  if (status === 507)
    return { code: 'write-failed', got: `status 507: ${said}`, advice: 'Free some space there.' } as const;
  if (status !== null && status < 500 && status !== 429 && status !== 408)
    return {
      code: 'bad-config',
      got: `status ${status}: ${said}`,
      advice: 'Correct the address or the server.',
    } as const;
  const where = endpoint === undefined ? 'the network' : 'the network and AWS_ENDPOINT_URL_S3';
  const answer = status === null ? `no answer: ${said}` : `status ${status}: ${said}`;
  return { code: 'unreachable', got: answer, advice: `Check ${where}.` } as const;
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : '';
}

/** null: no answer came. */
function statusOf(thrown: unknown): number | null {
  const metadata: unknown = thrown instanceof Error && '$metadata' in thrown ? thrown.$metadata : null;
  const hasStatus = metadata !== null && typeof metadata === 'object' && 'httpStatusCode' in metadata;
  return hasStatus && typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : null;
}

/** Without what may be a secret in an address. */
function serverOf(endpoint: string | undefined): string {
  if (endpoint === undefined) return 'AWS';
  return URL.canParse(endpoint) ? new URL(endpoint).host : 'AWS_ENDPOINT_URL_S3';
}
