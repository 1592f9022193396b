// Where the program reads a job's files and leaves its own: a disk that both see, or a bucket.
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { exists, readJsonObject, readTextFile } from '../../io/file-bytes.ts';
import { writeJson } from '../../io/files.ts';
import type { OpenModel } from '../../models/open-model.ts';
import { pathThere } from '../../remote/paths.ts';
import { addressBelow, isStorageAddress } from '../../storage/address.ts';
import { download } from '../../storage/folders.ts';
import { openStorage, type Storage } from '../../storage/storage.ts';
import type { TorchSettings } from '../torch.ts';
import type { TrainerParts } from '../trainer.ts';

/** What the program is given of a job. */
export const JOB_FILES = ['start.safetensors', 'examples.jsonl', 'steps.jsonl', 'job.json'] as const;
const PROGRESS = 'progress.json';
export const TRAINED = 'trained.safetensors';
const KEPT = 'place.json';

/** Each call throws SipfError as a storage does, where it is one. */
export interface JobPlace {
  /** As the program is told. */
  readonly name: string;
  /** The model's folder, as the program is told. */
  readonly model: string;
  /** The text of the checkpoint's records; null: there is no checkpoint. */
  progress(): Promise<string | null>;
  /** Brings the job's files there. */
  send(): Promise<void>;
  /** Brings the result here. @throws SipfError 'crashed' where there is none. */
  fetch(): Promise<void>;
  /** Forgets what is there of a training that has finished. */
  clear(): Promise<void>;
}

interface PlaceArgs {
  readonly settings: TorchSettings;
  /** Of the job, on this machine. */
  readonly folder: string;
  readonly hash: string;
  readonly model: OpenModel;
  readonly parts: Pick<TrainerParts, 'env' | 'log'>;
  readonly signal: AbortSignal;
}

/** The place of a job that has one already, or else a new one. @throws SipfError 'write-failed', 'bad-input' where its record is damaged. */
export async function openPlace(args: PlaceArgs): Promise<JobPlace> {
  const { ray } = args.settings;
  if (ray !== null && ray.storage !== null) return bucketPlace(ray.storage, await nameOf(args), args);
  const [paths, { folder, model }] = [ray?.paths ?? [], args];
  return {
    name: pathThere(paths, folder),
    model: pathThere(paths, model.files.path),
    progress: () => readTextFile(join(folder, PROGRESS)),
    send: async () => undefined,
    fetch: async () => undefined,
    clear: async () => undefined,
  };
}

/** Forgets what a kill between a training's end and its place's has left there. @throws SipfError as a storage does. */
export async function clearLeft(args: PlaceArgs): Promise<void> {
  if (await exists(join(args.folder, KEPT))) await (await openPlace(args)).clear();
}

/** Equal trainings of two runs are two jobs. */
async function nameOf({ folder, hash }: Pick<PlaceArgs, 'folder' | 'hash'>): Promise<string> {
  const file = join(folder, KEPT);
  if (await exists(file)) {
    const { data } = z.object({ name: z.string().regex(/^[\w-]+$/) }).safeParse(await readJsonObject(file));
    if (data !== undefined) return data.name;
    throw new SipfError(
      'bad-input',
      `Expected the name of a job in ${file}, got others. Delete ${folder} to train from the start.`,
    );
  }
  const name = `${hash.slice(0, 16)}-${randomUUID().slice(0, 8)}`;
  await writeJson(file, { name });
  return name;
}

function bucketPlace(address: string, name: string, args: PlaceArgs): JobPlace {
  const { folder, model, parts, signal } = args;
  const given = model.source.model;
  const models = `models/${model.files.hash}`;
  const inStorage = async <T>(use: (storage: Storage) => Promise<T>): Promise<T> => {
    using storage = await openStorage(address, { env: parts.env, signal });
    return use(storage);
  };
  return {
    name: addressBelow(address, name),
    model: isStorageAddress(given) ? addressBelow(given) : addressBelow(address, models),
    progress: () => inStorage((storage) => storage.readText(`${name}/${PROGRESS}`)),
    send: () =>
      inStorage(async (storage) => {
        if (!isStorageAddress(given)) await sendModel(storage, models, args);
        for (const file of JOB_FILES) await storage.writeFile(`${name}/${file}`, join(folder, file));
        parts.log(`Training: the job's files are at ${addressBelow(address, name)}.`);
      }),
    fetch: () =>
      inStorage(async (storage) => {
        const path = `${name}/${TRAINED}`;
        if ((await download(storage, path, join(folder, TRAINED), { signal })) === 1) return;
        throw new SipfError(
          'crashed',
          `Expected ${addressBelow(address, path)}, got nothing there. Let nobody delete it; the same command continues.`,
        );
      }),
    clear: () =>
      inStorage(async (storage) => {
        for (const { path } of await storage.list(name, true)) await storage.remove(path);
      }),
  };
}

const CONFIG = 'config.json';
const WEIGHTS = /^(?!consolidated)[^/]*\.safetensors(\.index\.json)?$/;

/** Once for each content: its configuration comes last, and says that the others are whole. */
async function sendModel(storage: Storage, to: string, { model, parts, signal }: PlaceArgs): Promise<void> {
  const from = model.files.path;
  if ((await storage.readText(`${to}/${CONFIG}`)) !== null) return;
  parts.log(`Training: the model ${from} is written to ${addressBelow(storage.address, to)}.`);
  for (const file of [...(await readdir(from)).filter((name) => WEIGHTS.test(name)), CONFIG]) {
    throwIfAborted(signal);
    await storage.writeFile(`${to}/${file}`, join(from, file));
  }
}
