// A run's finished stages <-> a storage, whose address another machine continues from.
import { join } from 'node:path';
import { SipfError } from '../errors.ts';
import { canonicalJson } from '../hashing.ts';
import { readText } from '../io/file-bytes.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import { addressBelow } from '../storage/address.ts';
import { download, upload } from '../storage/folders.ts';
import type { Storage } from '../storage/storage.ts';
import {
  checkInputs,
  checkOutputs,
  isMarkerPath,
  Marker,
  markerName,
  markerPath,
  parseJson,
  type StageName,
} from './marker.ts';
import { StoredConfig } from './no-run.ts';
import { checkStored, type StoredConfiguration } from './run-folder.ts';

const CONFIG = 'config.json';

interface RunStorageParts {
  readonly disk: Disk;
  readonly signal?: AbortSignal | undefined;
  /** Told what is written there and what comes from there. */
  readonly say: (message: string) => void;
}

/** What is there of a run: config.json, and of each finished stage its outputs and its marker, which comes last. Journals and checkpoints stay here. */
export class RunStorage {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #parts: RunStorageParts;

  constructor(storage: Storage, dir: string, parts: RunStorageParts) {
    this.#storage = storage;
    this.#dir = dir;
    this.#parts = parts;
  }

  /** A new folder here gets the configuration of the run there, so that it continues as a run that was moved. @throws SipfError of the storage. */
  async fetchConfig(): Promise<void> {
    const path = join(this.#dir, CONFIG);
    const text = await this.#storage.readText(CONFIG);
    if (text !== null) await replaceFile(this.#parts.disk, path, [text]);
  }

  /** @throws SipfError of the storage. */
  async writeConfig(): Promise<void> {
    const text = await readText(join(this.#dir, CONFIG));
    if ((await this.#storage.readText(CONFIG)) !== text) await this.#storage.writeText(CONFIG, text);
  }

  /**
   * A stage that is finished there, with its files, which come here. null: it is not.
   * @throws SipfError 'config-changed' where it was made from other inputs, 'bad-input' where a file is not what its stage wrote; and of the storage.
   */
  async fetch(stage: StageName, inputs: Marker['inputs']): Promise<Marker | null> {
    const { disk, say, signal } = this.#parts;
    const { address } = this.#storage;
    const found = await this.#marker(stage);
    if (found === null) return null;
    checkInputs(stage, found.marker, inputs, 'at another engine.storage');
    for (const output of Object.keys(found.marker.outputs)) {
      const path = `${stage.folder}/${output}`;
      await disk.remove(join(this.#dir, path));
      await download(this.#storage, path, join(this.#dir, path), { signal });
    }
    await checkOutputs(this.#dir, stage, found.marker, address);
    await disk.makeFolder(join(this.#dir, stage.folder, 'done'));
    await replaceFile(disk, markerPath(this.#dir, stage), [found.text]);
    say(`${stage.folder}/${stage.name}: its files are from ${address}`);
    return found.marker;
  }

  /**
   * Writes a stage that is finished here, unless it is there.
   * @throws SipfError 'config-changed' where another run has written it; and of the storage.
   */
  async keep(stage: StageName, marker: Marker): Promise<void> {
    try {
      const found = await this.#marker(stage);
      if (found === null) await this.#write(stage, marker);
      else this.#checkSame(stage, marker, found.marker);
    } catch (thrown) {
      if (!(thrown instanceof SipfError)) throw thrown;
      throw new SipfError(thrown.code, `${thrown.message} ${stage.folder}/${stage.name} is whole in ${this.#dir}.`);
    }
  }

  async #write(stage: StageName, marker: Marker): Promise<void> {
    const { say, signal } = this.#parts;
    for (const output of Object.keys(marker.outputs)) {
      const path = `${stage.folder}/${output}`;
      await upload(this.#storage, join(this.#dir, path), path, { signal });
    }
    await this.#storage.writeText(markerName(stage), await readText(markerPath(this.#dir, stage)));
    say(`${stage.folder}/${stage.name}: written to ${this.#storage.address}`);
  }

  async #marker(stage: StageName): Promise<{ readonly text: string; readonly marker: Marker } | null> {
    const name = markerName(stage);
    const text = await this.#storage.readText(name);
    return text === null ? null : { text, marker: parseJson(text, Marker, addressBelow(this.#storage.address, name)) };
  }

  #checkSame({ folder, name }: StageName, { outputs }: Marker, there: Marker): void {
    if (canonicalJson(outputs) === canonicalJson(there.outputs)) return;
    throw new SipfError(
      'config-changed',
      `Expected ${folder}/${name} at ${this.#storage.address} as this run has it, got another run's: two processes have drawn it. Name another engine.storage, or continue that run in a new folder.`,
    );
  }
}

/**
 * Looks whether a run may begin or continue at an address. Writes nothing.
 * @throws SipfError 'config-changed' where a run of another configuration has finished stages there, 'bad-input' where other things are there; and of
 * the storage.
 */
export async function checkRunStorage(storage: Storage, wanted: StoredConfiguration): Promise<void> {
  const { address } = storage;
  const text = await storage.readText(CONFIG);
  const paths = text === null ? (await storage.list('', true, 3)).map(({ path }) => path) : [];
  if (paths.length > 0)
    throw new SipfError(
      'bad-input',
      `Expected nothing or a run at ${address}, got ${paths.slice(0, 3).join(', ')}. Name another engine.storage.`,
    );
  const config = text === null ? null : parseJson(text, StoredConfig, addressBelow(address, CONFIG));
  const hasMarkers = async () => (await storage.list('', true)).some(({ path }) => isMarkerPath(path));
  await checkStored(wanted, { name: address, config, hasMarkers, elsewhere: 'name another engine.storage' });
}
