// A base model, adapters and a PRM -> open models by name; adapters come and go while others draw.
import { realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import type { Backend, Policy, ProcessRewardModel, Serving } from '../backend.ts';
import { messageOf, SipfError, shown } from '../errors.ts';
import { ApiError } from '../http/api-error.ts';
import { addressBelow, isBelow, isStorageAddress } from '../storage/address.ts';
import { openStorage } from '../storage/storage.ts';

export type ServedPolicy = Policy & Serving;

export interface Served {
  /** A Hugging Face folder or a .gguf file, which is also the name that clients give. */
  readonly model: string;
  /** Name -> PEFT adapter folder, or its address in a storage. */
  readonly adapters: ReadonlyMap<string, string>;
  /** A process reward model's folder, and its name; null: none. */
  readonly prm: string | null;
  /** Clients may load adapters below this folder, or address in a storage; null: none. */
  readonly adapterRoot: string | null;
}

/** Adapters at a time: each is a model of its own in memory. */
const MOST_ADAPTERS = 16;

const SERVES_ONE =
  'Expected an engine that draws for many callers at a time, got one without. Leave out engine.sampler and engine.module.';

interface Entry {
  readonly policy: ServedPolicy;
  uses: number;
  isGone: boolean;
}

/** The process reward model, by the name that clients give. */
interface NamedPrm {
  readonly name: string;
  readonly prm: ProcessRewardModel;
}

/** A model that stays open until this is disposed. */
export interface Lease extends Disposable {
  readonly name: string;
  readonly policy: ServedPolicy;
}

/** What a client reads of a model. */
export interface ModelCard {
  readonly id: string;
  readonly parent: string | null;
  readonly max_model_len: number;
}

export class ServedModels implements AsyncDisposable {
  readonly #backend: Backend;
  readonly #served: Served;
  readonly #entries = new Map<string, Entry>();
  readonly #log: (message: string) => void;
  readonly #closing: Promise<void>[] = [];
  readonly #loading = new Set<string>();
  #scorer: NamedPrm | null = null;

  private constructor(backend: Backend, served: Served, log: (message: string) => void) {
    this.#backend = backend;
    this.#served = served;
    this.#log = log;
  }

  /**
   * @throws SipfError where a model cannot be opened, 'unsupported' where its engine serves one caller only, 'bad-input' for a name that is taken,
   * 'not-found' where there is no folder for adapters; and of a storage.
   */
  static async open(backend: Backend, served: Served, log: (message: string) => void): Promise<ServedModels> {
    if (served.adapterRoot !== null) await checkFolder(served.adapterRoot);
    const models = new ServedModels(backend, served, log);
    try {
      await models.#open(served.model);
      for (const [name, adapter] of served.adapters) await models.#open(name, adapter);
      if (served.prm !== null) models.#scorer = { name: served.prm, prm: await backend.openPrm({ model: served.prm }) };
      return models;
    } catch (error) {
      await models[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The base model first. */
  get cards(): ModelCard[] {
    const { model } = this.#served;
    const cards = [...this.#entries].map(([id, { policy }]) => ({
      id,
      parent: id === model ? null : model,
      max_model_len: policy.contextLength,
    }));
    if (this.#scorer === null) return cards;
    const { name, prm } = this.#scorer;
    return [...cards, { id: name, parent: null, max_model_len: prm.contextLength }];
  }

  /**
   * The model `name`; without one the base model.
   * @throws ApiError 404 where there is none of that name.
   */
  lease(name: string | null | undefined): Lease {
    const id = name ?? this.#served.model;
    const entry = this.#entries.get(id);
    if (entry === undefined) throw this.#unknown(id, [...this.#entries.keys()]);
    entry.uses += 1;
    const end = () => {
      entry.uses -= 1;
      this.#closeUnused(entry);
    };
    return { name: id, policy: entry.policy, [Symbol.dispose]: end };
  }

  /** @throws ApiError 404 where no process reward model is served, or none of that name. */
  scorer(name: string | null | undefined): NamedPrm {
    if (this.#scorer === null)
      throw new ApiError(404, 'Expected a server with a process reward model, got one without. Start it with --prm.');
    if (name != null && name !== this.#scorer.name) throw this.#unknown(name, [this.#scorer.name]);
    return this.#scorer;
  }

  /** @throws ApiError where the name is taken, there are too many, or `path` is not below the folder of adapters; SipfError where it does not fit. */
  async load(name: string, path: string): Promise<void> {
    if (this.#entries.size + this.#loading.size > MOST_ADAPTERS)
      throw new ApiError(429, `Expected at most ${MOST_ADAPTERS} adapters at a time, got one more. Unload one.`);
    await this.#open(name, await this.#within(path));
  }

  /** Requests that use it end as they would. @throws ApiError 404 where there is no such adapter. */
  unload(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || name === this.#served.model)
      throw this.#unknown(name, [...this.#entries.keys()].slice(1));
    this.#entries.delete(name);
    entry.isGone = true;
    this.#closeUnused(entry);
  }

  async #open(name: string, adapter?: string): Promise<void> {
    const isTaken = this.#entries.has(name) || this.#loading.has(name) || name === this.#served.prm;
    if (isTaken)
      throw new SipfError('bad-input', `Expected a name of its own, got ${shown(name)} again. Choose another.`);
    this.#loading.add(name);
    try {
      const policy = await this.#backend.openPolicy({ model: this.#served.model, adapter });
      if (isServing(policy)) return void this.#entries.set(name, { policy, uses: 0, isGone: false });
      await policy[Symbol.asyncDispose]();
      throw new SipfError('unsupported', SERVES_ONE);
    } finally {
      this.#loading.delete(name);
    }
  }

  /** @throws ApiError 403 where clients may load no adapters. */
  requireAdapterRoot(): string {
    const { adapterRoot } = this.#served;
    if (adapterRoot !== null) return adapterRoot;
    throw new ApiError(
      403,
      'Expected a server that loads adapters, got one that does not. Start it with --adapter-root.',
    );
  }

  /** What is outside and what is not there are told apart to nobody. */
  async #within(path: string): Promise<string> {
    const given = this.requireAdapterRoot();
    const found = isStorageAddress(given) ? addressWithin(given, path) : await folderWithin(given, path);
    if (found !== null) return found;
    throw new ApiError(
      404,
      `Expected a folder below the server's --adapter-root, got ${shown(path)}. Correct lora_path.`,
    );
  }

  #unknown(name: string, known: readonly string[]): ApiError {
    const names = known.map(shown).join(', ') || 'none';
    return new ApiError(404, `Expected a model that is served (${names}), got ${shown(name)}. Name one of them.`);
  }

  #closeUnused(entry: Entry): void {
    if (!entry.isGone || entry.uses > 0) return;
    const failed = (thrown: unknown) => this.#log(`An adapter did not close: ${messageOf(thrown)}`);
    this.#closing.push(Promise.resolve(entry.policy[Symbol.asyncDispose]()).catch(failed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { policy } of this.#entries.values()) await policy[Symbol.asyncDispose]();
    this.#entries.clear();
    await this.#scorer?.prm[Symbol.asyncDispose]();
    await Promise.all(this.#closing);
  }
}

/** `path` as a client gives it: below the root, or whole. null: it is elsewhere, or nothing is there. */
async function folderWithin(given: string, path: string): Promise<string | null> {
  const root = await realpath(given);
  const found = await realpath(resolve(root, path)).catch(() => '');
  return found.startsWith(root + sep) ? found : null;
}

/** The same in a storage, where nothing is looked at. */
function addressWithin(root: string, path: string): string | null {
  try {
    const address = isStorageAddress(path) ? path : addressBelow(root, path);
    return isBelow(address, root) ? address : null;
  } catch {
    return null;
  }
}

async function checkFolder(path: string): Promise<void> {
  if (isStorageAddress(path)) {
    using storage = await openStorage(path);
    await storage.list('', false);
    return;
  }
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return;
  const got = found === null ? 'nothing there' : 'a file';
  throw new SipfError(
    'not-found',
    `Expected a folder of adapters (--adapter-root), got ${path}: ${got}. Name a folder.`,
  );
}

function isServing(policy: Policy): policy is ServedPolicy {
  return [policy.vocabulary, policy.decode, policy.draw, policy.readTokens].every((part) => part !== undefined);
}
