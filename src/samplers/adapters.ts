// Adapters of a served base -> loaded at the server, named by their content, and unloaded again.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, SipfError } from '../errors.ts';
import { modelCards } from '../remote/model-cards.ts';
import { type PathMapping, pathThere } from '../remote/paths.ts';
import { isBusy, type Reply, type ServerRequests } from '../remote/server-requests.ts';
import { NEVER } from '../remote/stopper.ts';

/** How a server names its endpoints for adapters, and an adapter in a request. */
export interface AdapterWay {
  readonly prefix: string;
  readonly nameOf: (model: string, adapter: string) => string;
}

const VLLM: AdapterWay = { prefix: '/v1', nameOf: (_, adapter) => adapter };
const SGLANG: AdapterWay = { prefix: '', nameOf: (model, adapter) => `${model}:${adapter}` };

/** Names that sipf gives begin so: what a killed process has left is known by it. */
const PREFIX = 'sipf-';

interface AdaptersOptions {
  readonly requests: ServerRequests;
  /** The base, as the server names it. */
  readonly model: string;
  readonly paths: PathMapping | null;
  readonly log: (message: string) => void;
  /** Whether the server is ended for now: it has no adapters then, and nothing is to start it for them. */
  readonly isEnded: () => boolean;
}

interface Entry {
  readonly name: string;
  readonly folder: string;
  uses: number;
  loads: number;
  /** Settled when the last load is done. */
  ready: Promise<void>;
}

/** An adapter while somebody draws from it. */
export interface LoadedAdapter extends AsyncDisposable {
  /** As requests name it. */
  readonly model: string;
  /** How often it was loaded. */
  readonly loads: number;
  /** The server has lost the load of that number: loads it again, once for all that ask. */
  again(lost: number, signal: AbortSignal): Promise<void>;
}

export class ServedAdapters {
  readonly #options: AdaptersOptions;
  readonly #entries = new Map<string, Entry>();
  #way: Promise<AdapterWay> | null = null;

  constructor(options: AdaptersOptions) {
    this.#options = options;
  }

  /**
   * How the server loads adapters. Unloads what a killed process has left there; another process that draws from one loads it again.
   * @throws SipfError 'unsupported' where it loads none; 'unreachable'.
   */
  ready(signal: AbortSignal): Promise<AdapterWay> {
    this.#way ??= this.#begin(signal).catch((error: unknown) => {
      this.#way = null;
      throw error;
    });
    return this.#way;
  }

  /**
   * `hash` names its content.
   * @throws SipfError 'unsupported' where the server refuses the adapter; 'unreachable'.
   */
  async open(folder: string, hash: string, signal: AbortSignal): Promise<LoadedAdapter> {
    const way = await this.ready(signal);
    const name = PREFIX + hash.slice(0, 16);
    const entry = this.#entries.get(name) ?? this.#enter(name, folder, signal);
    entry.uses += 1;
    try {
      await entry.ready;
    } catch (error) {
      this.#entries.delete(name);
      throw error;
    }
    return {
      model: way.nameOf(this.#options.model, name),
      get loads() {
        return entry.loads;
      },
      again: (lost, stop) => this.#again(entry, lost, stop),
      [Symbol.asyncDispose]: () => this.#release(entry),
    };
  }

  #enter(name: string, folder: string, signal: AbortSignal): Entry {
    const entry = { name, folder, uses: 0, loads: 1, ready: this.#load(name, folder, signal) };
    this.#entries.set(name, entry);
    return entry;
  }

  async #again(entry: Entry, lost: number, signal: AbortSignal): Promise<void> {
    if (entry.loads === lost) {
      entry.loads += 1;
      entry.ready = this.#load(entry.name, entry.folder, signal);
    }
    await entry.ready;
  }

  async #release(entry: Entry): Promise<void> {
    entry.uses -= 1;
    if (entry.uses > 0) return;
    this.#entries.delete(entry.name);
    if (this.#options.isEnded()) return;
    await this.#unload(entry.name, await this.ready(NEVER), NEVER);
  }

  /**
   * How the server loads adapters; nothing there changes.
   * @throws SipfError 'unsupported' where it loads none; 'unreachable'.
   */
  async find(signal: AbortSignal): Promise<AdapterWay> {
    const { cards } = await modelCards(this.#options.requests, signal);
    // SGLang says at the first adapter whether it loads any.
    if (cards?.[0]?.owned_by === 'sglang') return SGLANG;
    await this.#checkLoads(signal);
    return VLLM;
  }

  async #begin(signal: AbortSignal): Promise<AdapterWay> {
    const way = await this.find(signal);
    const { cards } = await modelCards(this.#options.requests, signal);
    for (const { id } of cards ?? []) if (id.startsWith(PREFIX)) await this.#unload(id, way, signal);
    return way;
  }

  /** An adapter without a name is refused; a server that loads none does not know the path. */
  async #checkLoads(signal: AbortSignal): Promise<void> {
    const { status, said } = await this.#post('load', { lora_name: '', lora_path: '' }, signal, VLLM);
    if (status === 400 || status === 422) return;
    throw this.#refusal(`status ${status}: ${said}`);
  }

  async #load(name: string, folder: string, signal: AbortSignal): Promise<void> {
    const { requests, paths } = this.#options;
    const way = await this.ready(signal);
    const { cards } = await modelCards(requests, signal);
    if (cards?.some(({ id }) => id === name)) return;
    const path = pathThere(paths === null ? [] : [paths], folder);
    const { status, said } = await this.#post('load', { lora_name: name, lora_path: path }, signal, way);
    if (status === 200) return;
    const rank = await rankOf(folder);
    throw this.#refusal(`status ${status} for the adapter ${path} of rank ${rank}: ${said}`);
  }

  /** Once: what stays there is unloaded by the next start. */
  async #unload(name: string, way: AdapterWay, signal: AbortSignal): Promise<void> {
    const failed = (why: string) => this.#options.log(`The adapter ${name} was not unloaded: ${why}`);
    try {
      const { status, said } = await this.#post('unload', { lora_name: name }, signal, way, 0);
      if (status !== 200 && status !== 404) failed(`status ${status}: ${said}`);
    } catch (error) {
      failed(messageOf(error));
    }
  }

  #post(verb: string, body: object, signal: AbortSignal, { prefix }: AdapterWay, retries?: number): Promise<Reply> {
    const request = { path: `${prefix}/${verb}_lora_adapter`, body, passes: isBusy, retries };
    return this.#options.requests.send(request, (answer) => ({ answer }), signal);
  }

  #refusal(got: string): SipfError {
    const { requests } = this.#options;
    return new SipfError(
      'unsupported',
      `Expected ${requests.addressOf('/v1/load_lora_adapter')} to load adapters, got ${got}. Start vLLM with --enable-lora, a --max-lora-rank of at least that of the adapters and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, SGLang with --enable-lora, sipf serve with --adapter-root. Where the server sees the run's folder elsewhere, set engine.sampler.paths.`,
    );
  }
}

const AdapterConfig = z.object({ r: z.number() });

/** For messages. */
async function rankOf(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'adapter_config.json'), 'utf8').catch(() => '{}');
  const parsed = AdapterConfig.safeParse(JSON.parse(text));
  return parsed.success ? String(parsed.data.r) : 'unknown';
}
