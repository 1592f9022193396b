// The port of a storage: files under an address, which machines without a common disk share.
import { SipfError } from '../errors.ts';
import { parseAddress } from './address.ts';

/** A file that is whole in a storage. */
export interface StoredFile {
  /** Below the storage's address. */
  readonly path: string;
  readonly size: number;
  /** Another one where the file was written again. */
  readonly version: string;
}

/**
 * Files under an address, by their paths below it. A file is there whole, or not there.
 * @throws SipfError, each of its methods: 'not-found' where the bucket is not there, 'bad-config' where keys are refused, 'unreachable' where no try
 * got an answer, 'write-failed' where the storage takes no more, 'aborted'.
 */
export interface Storage extends Disposable {
  /** As it was named, without a slash at its end. */
  readonly address: string;
  /** Files below `folder` ('': all), those in folders of it, too, where `deep`; by path, and some `most` of them at least where there are more. */
  list(folder: string, deep: boolean, most?: number): Promise<StoredFile[]>;
  /** The text of a small file; null: there is none. */
  readText(path: string): Promise<string | null>;
  /** The bytes of a listed file from byte `from` on; they may break off. @throws SipfError 'not-found' where it was written again since. */
  read(file: StoredFile, from: number): Promise<AsyncIterable<Uint8Array>>;
  writeText(path: string, text: string): Promise<void>;
  /** Writes the file at `source` on this machine. */
  writeFile(path: string, source: string): Promise<void>;
  remove(path: string): Promise<void>;
}

/** What a storage has of the place where it is opened. */
export interface StorageParts {
  /** Where keys are, and which server it is. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens what is at an address; makes no request.
 * @throws SipfError 'bad-input' for an address that is none, 'bad-config' where there are no keys, 'unsupported' where the client is not installed.
 */
export async function openStorage(address: string, parts: StorageParts = {}): Promise<Storage> {
  parseAddress(address);
  const { openS3 } = await import('./s3.ts');
  return openS3(address, parts);
}

/** What lists, reads, writes and deletes a file in a storage. Leaves nothing there. @throws SipfError as the storage does. */
export async function probeStorage(storage: Storage): Promise<void> {
  const path = `sipf-probe-${process.pid}-${process.hrtime.bigint()}`;
  await storage.writeText(path, path);
  try {
    const isListed = (await storage.list('', false)).some((file) => file.path === path);
    if (isListed && (await storage.readText(path)) === path) return;
    throw new SipfError(
      'unsupported',
      `Expected ${storage.address} to list and to give what was written there, got another answer. Use a storage that lists what it has.`,
    );
  } finally {
    await storage.remove(path);
  }
}
