// Requests, and servers with room for some each -> each request at one; elsewhere where it failed.
import { stopped, throwIfAborted } from '../errors.ts';
import { waitBefore } from '../retries.ts';
import { type Problem, type Tried, unreachable, type Waits } from './server-requests.ts';
import { stopperOf } from './stopper.ts';

/** So many failures in a row, of whatever kind, and a server counts as away. */
const AWAY_AFTER = 3;

interface SpreadOptions {
  /** The section of the settings that names the servers: `engine.sampler`. */
  readonly setting: string;
  /** Of the servers, in messages. */
  readonly names: readonly string[];
  /** Requests at a time at one server. */
  readonly concurrency: number;
  /** Further tries of a request. */
  readonly retries: number;
}

/** Room for one request, with a number that grows. */
interface Place {
  readonly server: Server;
  readonly number: number;
}

interface Server {
  readonly index: number;
  /** What waits for room here, in the order in which it came. */
  readonly queue: Set<(place: Place) => void>;
  /** Units of work whose requests come here first. */
  units: number;
  open: number;
  /** Failures since the last answer. */
  failures: number;
  /** Pauses since the last answer. */
  pauses: number;
  /** Milliseconds since 1970. */
  pausedUntil: number;
  /** The request that tries it after a pause. */
  trial: number | null;
  /** The last request before the last pause: what comes of those tells nothing new. */
  heard: number;
  isWaking: boolean;
}

/** One unit of work. Its requests share prompts, so they go to one server, and to others where that has no room and others have. */
export interface SpreadUnit extends Disposable {
  /**
   * `call` is one try, at the server of that number.
   * @throws SipfError 'unreachable' when the last try failed; 'aborted'; and what `call` throws.
   */
  send<T>(call: (server: number) => Promise<Tried<T>>, signal: AbortSignal): Promise<T>;
}

/**
 * Servers of one model. A busy server, or one that fails several times in a row, is left alone for a while by all requests; then one of them
 * tries it, and an answer brings the others back. Meanwhile other servers have its requests.
 */
export class Spread implements Disposable {
  readonly #options: SpreadOptions;
  readonly #parts: Waits;
  readonly #servers: readonly Server[];
  readonly #paused = new Set<Server>();
  readonly #closing = stopperOf();
  #given = 0;

  constructor(options: SpreadOptions, parts: Waits) {
    this.#options = options;
    this.#parts = parts;
    this.#servers = options.names.map((_, index) => ({
      index,
      queue: new Set(),
      units: 0,
      open: 0,
      failures: 0,
      pauses: 0,
      pausedUntil: 0,
      trial: null,
      heard: 0,
      isWaking: false,
    }));
  }

  /** Begins a unit of work at the server that has the fewest. */
  unit(): SpreadUnit {
    const home = this.#servers.reduce((best, one) => (loadOf(one) < loadOf(best) ? one : best));
    home.units += 1;
    return {
      send: (call, signal) => this.#send(home, call, signal),
      [Symbol.dispose]: () => {
        home.units -= 1;
      },
    };
  }

  /** Ends the waits for servers that pause. */
  [Symbol.dispose](): void {
    this.#closing.stop();
  }

  async #send<T>(home: Server, call: (server: number) => Promise<Tried<T>>, signal: AbortSignal): Promise<T> {
    const { retries, names, setting } = this.#options;
    for (let retry = 0; ; retry += 1) {
      const place = await this.#room(home, signal);
      const tried = await this.#try(place, call);
      if ('answer' in tried) return tried.answer;
      throwIfAborted(signal);
      if (retry === retries) {
        const tries = { setting, address: names[place.server.index] ?? '', tries: retries + 1 };
        throw unreachable(tried.problem, tries);
      }
      // A busy server pauses for all: there may be room elsewhere.
      if (tried.isBusy) continue;
      const ms = waitBefore(retry, this.#parts.random(), tried.askedMs ?? 0);
      await this.#parts.wait(ms, signal).catch(() => throwIfAborted(signal));
    }
  }

  async #try<T>({ server, number }: Place, call: (server: number) => Promise<Tried<T>>): Promise<Tried<T>> {
    try {
      const tried = await call(server.index);
      if (!('answer' in tried)) this.#hearProblem(server, number, tried);
      else if (number > server.heard) Object.assign(server, { failures: 0, pauses: 0 });
      return tried;
    } finally {
      server.open -= 1;
      if (server.trial === number) server.trial = null;
      this.#fill(server);
    }
  }

  #hearProblem(server: Server, number: number, { isBusy = false, askedMs = 0 }: Problem): void {
    const { random, now } = this.#parts;
    // Drivers that share a server come back at different times.
    const asked = askedMs * (1 + random() / 10);
    if (number > server.heard) {
      server.failures += 1;
      if (!isBusy && server.failures < AWAY_AFTER) return;
      const until = now() + waitBefore(server.pauses, random(), asked);
      Object.assign(server, { pauses: server.pauses + 1, pausedUntil: until, heard: this.#given });
    } else if (isBusy) server.pausedUntil = Math.max(server.pausedUntil, now() + asked);
    this.#paused.add(server);
    for (const other of this.#servers) this.#fill(other);
    this.#wakeAll();
  }

  #hasRoom({ open, pauses, pausedUntil, trial }: Server): boolean {
    if (open >= this.#options.concurrency) return false;
    return pauses === 0 || (trial === null && this.#parts.now() >= pausedUntil);
  }

  #take(server: Server): Place {
    this.#given += 1;
    server.open += 1;
    if (server.pauses > 0) server.trial = this.#given;
    return { server, number: this.#given };
  }

  /** Room at `home`, or where there is the most. */
  async #room(home: Server, signal: AbortSignal): Promise<Place> {
    throwIfAborted(signal);
    const free = this.#hasRoom(home) ? home : this.#roomiest();
    if (free !== null) return this.#take(free);
    return new Promise((resolve, reject) => {
      const start = (place: Place) => {
        signal.removeEventListener('abort', leave);
        resolve(place);
      };
      const leave = () => {
        home.queue.delete(start);
        reject(stopped());
      };
      home.queue.add(start);
      signal.addEventListener('abort', leave);
      this.#wakeAll();
    });
  }

  #roomiest(): Server | null {
    const free = this.#servers.filter((server) => this.#hasRoom(server));
    return free.reduce<Server | null>((best, one) => (best === null || one.open < best.open ? one : best), null);
  }

  /** Gives room to what waits here; where nothing does, to what waits where the queue is longest. */
  #fill(server: Server): void {
    while (this.#hasRoom(server)) {
      const { queue } = server.queue.size > 0 ? server : this.#longest();
      const [start] = queue;
      if (start === undefined) return;
      queue.delete(start);
      start(this.#take(server));
    }
  }

  #longest(): Server {
    return this.#servers.reduce((best, one) => (one.queue.size > best.queue.size ? one : best));
  }

  /** Servers whose pause something waits for. */
  #wakeAll(): void {
    if (this.#longest().queue.size === 0) return;
    for (const server of this.#paused) void this.#wake(server);
  }

  async #wake(server: Server): Promise<void> {
    if (server.isWaking) return;
    server.isWaking = true;
    const { signal } = this.#closing;
    for (let ms = 1; ms > 0 && !signal.aborted; ) {
      ms = server.pausedUntil - this.#parts.now();
      if (ms > 0) await this.#parts.wait(ms, signal).catch(() => undefined);
    }
    server.isWaking = false;
    this.#paused.delete(server);
    this.#fill(server);
  }
}

/** One that pauses is taken last. */
const loadOf = ({ units, pauses }: Server): number => (pauses > 0 ? 1e6 : 0) + units;
