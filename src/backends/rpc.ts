// Method calls on objects over a MessagePort, both ways: results, errors, callbacks, cancellation.
import { messageOf, SipfError, type SipfErrorCode } from '../errors.ts';

/** The object that is served from the start. */
const ROOT = 0;

/** The method that every object has. */
const DISPOSE = 'dispose';

/** An object of the other side: named by a number, its plain fields copied. */
interface Opened {
  readonly handle: number;
  readonly methods: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A value on its way. Functions, signals and what is to be disposed stay on their side; options objects cross field by field. */
type Sent =
  | { readonly kind: 'copy'; readonly value: unknown }
  | { readonly kind: 'function'; readonly handle: number }
  | { readonly kind: 'signal' }
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Sent>> }
  | { readonly kind: 'opened'; readonly opened: Opened };

interface Thrown {
  /** null: a bug, not a SipfError. */
  readonly code: SipfErrorCode | null;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

interface CallMessage {
  readonly kind: 'call';
  /** Of the caller's calls. */
  readonly id: number;
  readonly handle: number;
  /** Empty for a function. */
  readonly method: string;
  readonly args: readonly Sent[];
}

/** How a call ended. */
type EndMessage =
  | { readonly kind: 'result'; readonly id: number; readonly value: Sent }
  | { readonly kind: 'thrown'; readonly id: number; readonly thrown: Thrown };

type Message = CallMessage | EndMessage | { readonly kind: 'cancel'; readonly id: number };

/** Where messages go and come from: a MessagePort or a Worker. */
interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  close?(): void;
}

type Callable = (...args: readonly unknown[]) => unknown;

/** A call that waits for its end. */
interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (thrown: unknown) => void;
  /** What a function of the caller threw: the call fails with that, and not with what the other side makes of it. */
  failure: { readonly thrown: unknown } | null;
}

/** What call `id` lends to the other end while it waits. */
interface Lent {
  readonly id: number;
  readonly functions: number[];
  readonly signals: AbortSignal[];
}

interface Served {
  readonly object: unknown;
  /** The call that lends it, where it is a function. */
  readonly call?: number;
}

/** One end of a port: calls the objects of the other end, and serves its own. */
export class RpcPeer {
  readonly #port: Port;
  readonly #served = new Map<number, Served>();
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, AbortController>();
  #handles = ROOT;
  #calls = 0;
  #broken: Error | null = null;

  /** @param root what this end serves, until it is disposed; the port closes then. */
  constructor(port: Port, root?: AsyncDisposable) {
    this.#port = port;
    if (root !== undefined) this.#served.set(ROOT, { object: root });
    port.on('message', (message) => this.#receive(message as Message));
  }

  /** The other end's object, here. Only its type says that the other end serves a `T`. */
  root<T extends AsyncDisposable>(methods: readonly Extract<keyof T, string>[]): T {
    return this.#remote({ handle: ROOT, methods, fields: {} }) as unknown as T;
  }

  /** Fails what is pending and every later call: the other end is gone. */
  break(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#broken);
  }

  #remote({ handle, methods, fields }: Opened): AsyncDisposable {
    const calls = methods.map((method) => [method, (...args: readonly unknown[]) => this.#call(handle, method, args)]);
    return {
      ...fields,
      ...Object.fromEntries(calls),
      [Symbol.asyncDispose]: async () => void (await this.#call(handle, DISPOSE, [])),
    };
  }

  /** When a signal among the arguments fires the other end is told, and the call still ends by its answer. */
  async #call(handle: number, method: string, given: readonly unknown[]): Promise<unknown> {
    if (this.#broken) throw this.#broken;
    this.#calls += 1;
    const id = this.#calls;
    const lent: Lent = { id, functions: [], signals: [] };
    const cancel = () => this.#send({ kind: 'cancel', id });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, failure: null });
        this.#send({ kind: 'call', id, handle, method, args: given.map((arg) => this.#sent(arg, lent)) });
        for (const signal of lent.signals) {
          if (signal.aborted) cancel();
          signal.addEventListener('abort', cancel, { once: true });
        }
      });
    } finally {
      for (const signal of lent.signals) signal.removeEventListener('abort', cancel);
      for (const lending of lent.functions) this.#served.delete(lending);
      this.#pending.delete(id);
    }
  }

  #receive(message: Message): void {
    if (message.kind === 'call') void this.#answer(message);
    else if (message.kind === 'cancel') this.#running.get(message.id)?.abort();
    else this.#settle(message, this.#pending.get(message.id));
  }

  #settle(message: EndMessage, pending: Pending | undefined): void {
    if (pending?.failure) pending.reject(pending.failure.thrown);
    else if (message.kind === 'thrown') pending?.reject(decode(message.thrown));
    else pending?.resolve(this.#received(message.value));
  }

  async #answer({ id, handle, method, args }: CallMessage): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const given = args.map((arg) => this.#received(arg, controller.signal));
      const value = method === DISPOSE ? await this.#dispose(handle) : await this.#invoke(handle, method, given);
      this.#send({ kind: 'result', id, value: this.#result(value) });
    } catch (thrown) {
      this.#send({ kind: 'thrown', id, thrown: encode(thrown) });
      this.#fail(this.#served.get(handle)?.call, thrown);
    } finally {
      this.#running.delete(id);
    }
  }

  #invoke(handle: number, method: string, args: readonly unknown[]): unknown {
    const { object } = this.#served.get(handle) ?? {};
    const called = method === '' ? object : (object as Readonly<Record<string, unknown>> | undefined)?.[method];
    if (typeof called === 'function') return Reflect.apply(called, object, args);
    throw new Error(`No object ${handle} with a method ${method}`);
  }

  /** A function threw: the call that lends it fails with that. The other end may not wait for the function's answer. */
  #fail(call: number | undefined, thrown: unknown): void {
    const pending = call === undefined ? undefined : this.#pending.get(call);
    if (call === undefined || pending === undefined) return;
    pending.failure ??= { thrown };
    this.#send({ kind: 'cancel', id: call });
  }

  /** With the root go all other objects and the port, once the answer is sent. */
  async #dispose(handle: number): Promise<void> {
    for (const gone of handle === ROOT ? [...this.#served.keys()].reverse() : [handle]) {
      const object = this.#served.get(gone)?.object as AsyncDisposable | undefined;
      this.#served.delete(gone);
      await object?.[Symbol.asyncDispose]();
    }
    if (handle === ROOT) setImmediate(() => this.#port.close?.());
  }

  #serve(served: Served): number {
    this.#handles += 1;
    this.#served.set(this.#handles, served);
    return this.#handles;
  }

  #sent(value: unknown, lent: Lent, isOption = false): Sent {
    if (typeof value === 'function') {
      const handle = this.#serve({ object: value, call: lent.id });
      lent.functions.push(handle);
      return { kind: 'function', handle };
    }
    if (value instanceof AbortSignal) {
      lent.signals.push(value);
      return { kind: 'signal' };
    }
    if (isOption || typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'copy', value };
    const fields = Object.entries(value).map(([key, field]) => [key, this.#sent(field, lent, true)]);
    return { kind: 'fields', fields: Object.fromEntries(fields) };
  }

  #result(value: unknown): Sent {
    if (typeof value !== 'object' || value === null || !(Symbol.asyncDispose in value)) return { kind: 'copy', value };
    const entries = Object.entries(value);
    const methods = entries.filter(([, field]) => typeof field === 'function').map(([name]) => name);
    const fields = Object.fromEntries(entries.filter(([name]) => !methods.includes(name)));
    return { kind: 'opened', opened: { handle: this.#serve({ object: value }), methods, fields } };
  }

  /** @param signal that of the call, where `sent` is an argument. */
  #received(sent: Sent, signal?: AbortSignal): unknown {
    if (sent.kind === 'copy') return sent.value;
    if (sent.kind === 'signal') return signal;
    if (sent.kind === 'opened') return this.#remote(sent.opened);
    if (sent.kind === 'function') return this.#function(sent.handle);
    const fields = Object.entries(sent.fields).map(([key, field]) => [key, this.#received(field, signal)]);
    return Object.fromEntries(fields);
  }

  /** The caller's function: its answer is a promise, which who wants no answer may leave alone. */
  #function(handle: number): Callable {
    return (...values) => {
      const answer = this.#call(handle, '', values);
      answer.catch(() => undefined);
      return answer;
    };
  }

  #send(message: Message): void {
    this.#port.postMessage(message);
  }
}

function encode(thrown: unknown): Thrown {
  const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  const code = thrown instanceof SipfError ? thrown.code : null;
  return { code, name: error.name, message: error.message, stack: error.stack };
}

/** The error as it was thrown on the other side, its stack included. */
function decode({ code, name, message, stack }: Thrown): Error {
  const error = code === null ? Object.assign(new Error(message), { name }) : new SipfError(code, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
