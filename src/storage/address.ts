// s3://bucket/path -> its parts; an address below another one.
import { SipfError } from '../errors.ts';
import { isSoundPath } from '../io/sound-path.ts';

export interface StorageAddress {
  readonly bucket: string;
  /** Without slashes at its ends; empty: the whole bucket. */
  readonly path: string;
}

/** Whether a text is meant as an address in a storage; anything else is a path or a name on the hub. */
export function isStorageAddress(text: string): boolean {
  return /^s3:\/\//i.test(text);
}

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i;

/**
 * The parts of an address.
 * @throws SipfError 'bad-input' where it is none. What may be a secret in it is not repeated.
 */
export function parseAddress(text: string): StorageAddress {
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/is.exec(text) ?? [];
  const path = rest.replace(/\/+$/, '');
  if (bucket.includes('@') || bucket.includes(':')) throw wrong('one with a user or a port', SECRETS);
  if (!BUCKET.test(bucket)) throw wrong(`${JSON.stringify(text)} without the name of a bucket`, 'Correct the address.');
  if (path === '' || isSoundPath(path)) return { bucket, path };
  throw wrong(JSON.stringify(text), 'Leave out //, . and .. of its path.');
}

const SECRETS =
  'Keys are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the server from AWS_ENDPOINT_URL_S3: leave them out of the address.';

function wrong(got: string, advice: string): SipfError {
  return new SipfError('bad-input', `Expected an address such as s3://bucket/path, got ${got}. ${advice}`);
}

/**
 * The address of a path below another one; `..` leads up in it, as in a path.
 * @throws SipfError 'bad-input' where that leaves the bucket.
 */
export function addressBelow(address: string, ...paths: readonly string[]): string {
  const { bucket, path } = parseAddress(address);
  const parts = path === '' ? [] : path.split('/');
  for (const part of paths.flatMap((each) => each.split('/'))) {
    if (part === '..' && parts.pop() === undefined) throw wrong(`${address} with ${paths.join('/')}`, 'Correct it.');
    if (!['', '.', '..'].includes(part)) parts.push(part);
  }
  return [`s3://${bucket}`, ...parts].join('/');
}

/** Whether an address is below another one, and not that one itself. */
export function isBelow(address: string, root: string): boolean {
  const [own, above] = [parseAddress(address), parseAddress(root)];
  return (
    own.bucket === above.bucket && own.path !== '' && own.path.startsWith(above.path === '' ? '' : `${above.path}/`)
  );
}
