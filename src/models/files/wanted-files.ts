// The files that a place elsewhere lists -> those of them that a model is opened from.
import { SipfError } from '../../errors.ts';
import type { SnapshotFile } from '../../io/snapshot.ts';
import { foreignName } from './foreign-models.ts';
import { partNames } from './gguf-parts.ts';

const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|adapter_config)\.json$|^chat_template\.jinja$|^(?!consolidated)[^/]*\.safetensors(\.index\.json)?$/;

/** Where the files are. */
export interface ModelPlace {
  /** As people give it: `owner/name`, `s3://bucket/path`. */
  readonly name: string;
  /** In messages. */
  readonly words: string;
}

/** @throws SipfError 'unsupported' where the model is in another form: none of its weights would come. */
export function folderFiles<F extends SnapshotFile>({ name, words }: ModelPlace, files: readonly F[]): F[] {
  const wanted = files.filter(({ path }) => WANTED.test(path));
  if (wanted.some(({ path }) => path.endsWith('.safetensors'))) return wanted;
  const gguf = files.find(({ path }) => path.endsWith('.gguf'));
  const other = files.find(({ path }) => foreignName(path) !== null);
  const got = gguf
    ? `${gguf.path}. Name the file that you want, as ${name}/${gguf.path}.`
    : other
      ? `${other.path}: ${foreignName(other.path)}`
      : 'none. Check the id.';
  throw new SipfError('unsupported', `Expected model.safetensors in ${words}, got ${got}`);
}

/** A GGUF file with its other parts. @throws SipfError 'not-found' naming those that are there. */
export function ggufFiles<F extends SnapshotFile>({ words }: ModelPlace, gguf: string, files: readonly F[]): F[] {
  const names = partNames(gguf);
  const missing = names.find((name) => files.every(({ path }) => path !== name));
  if (missing === undefined) return files.filter(({ path }) => names.includes(path));
  const there = files.map(({ path }) => path).filter((path) => path.endsWith('.gguf'));
  throw new SipfError(
    'not-found',
    `Expected ${missing} in ${words}, got ${there.slice(0, 20).join(', ') || 'no .gguf file'}. Name a file that is there.`,
  );
}
