// Method calls on objects over a MessagePort: results, errors, callbacks, cancellation.
import { messageOf, SipfError, type SipfErrorCode } from '../errors.ts';

/** Kind of object -> its methods -> the kind of object that a method opens; null: it gives a plain value. */
type MethodTable = Readonly<Record<string, Readonly<Record<string, string | null>>>>;

/** An object of the other side: named by a number, its plain fields copied. */
interface Opened {
  readonly handle: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The served object itself. */
const ROOT = 0;

/** The method that every object has. */
const DISPOSE = 'dispose';

/** An argument on its way. Functions and signals stay on their side; options objects cross field by field. */
type Sent =
  | { readonly kind: 'copy'; readonly value: unknown }
  | { readonly kind: 'function'; readonly index: number }
  | { readonly kind: 'signal' }
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Sent>> };

interface ThrownMessage {
  /** null: a bug, not a SipfError. */
  readonly code: SipfErrorCode | null;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

interface CallMessage {
  readonly kind: 'call';
  readonly id: number;
  readonly handle: number;
  readonly method: string;
  readonly args: readonly Sent[];
}

interface AnswerMessage {
  readonly kind: 'answer';
  readonly question: number;
  readonly value?: unknown;
  readonly thrown?: ThrownMessage;
}

type ToServer = CallMessage | AnswerMessage | { readonly kind: 'cancel'; readonly id: number };

interface AskMessage {
  readonly kind: 'ask';
  readonly id: number;
  readonly question: number;
  /** Index of the function among the call's. */
  readonly index: number;
  readonly values: readonly unknown[];
}

type ToClient =
  | AskMessage
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'thrown'; readonly id: number; readonly thrown: ThrownMessage };

/** Where messages go and come from: a MessagePort or a Worker. */
interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

type Callable = (...args: readonly unknown[]) => unknown;

interface Served {
  readonly kind: string;
  readonly object: object;
}

/** The serving side: calls methods of `root`, and of the objects that they open, until `root` is disposed. */
export class RpcServer {
  readonly #port: Port & { close(): void };
  readonly #table: MethodTable;
  readonly #objects = new Map<number, Served>();
  readonly #running = new Map<number, AbortController>();
  readonly #questions = new Map<number, { resolve: (value: unknown) => void; reject: (thrown: unknown) => void }>();
  #opened = ROOT;
  #asked = 0;

  constructor(port: Port & { close(): void }, table: MethodTable, root: Served) {
    this.#port = port;
    this.#table = table;
    this.#objects.set(ROOT, root);
    port.on('message', (message) => this.#receive(message as ToServer));
  }

  #receive(message: ToServer): void {
    if (message.kind === 'call') void this.#answer(message);
    else if (message.kind === 'cancel') this.#running.get(message.id)?.abort();
    else this.#settle(message);
  }

  #settle(message: AnswerMessage): void {
    const question = this.#questions.get(message.question);
    this.#questions.delete(message.question);
    if (message.thrown) question?.reject(decode(message.thrown));
    else question?.resolve(message.value);
  }

  async #answer(message: CallMessage): Promise<void> {
    const { id } = message;
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      this.#send({ kind: 'result', id, value: await this.#call(message, controller.signal) });
    } catch (thrown) {
      this.#send({ kind: 'thrown', id, thrown: encode(thrown) });
    } finally {
      this.#running.delete(id);
    }
  }

  async #call({ id, handle, method, args }: CallMessage, signal: AbortSignal): Promise<unknown> {
    if (method === DISPOSE) return this.#dispose(handle);
    const served = this.#objects.get(handle);
    const opens = served && this.#table[served.kind]?.[method];
    if (served === undefined || opens === undefined) throw new Error(`No object ${handle} with a method ${method}`);
    const callback =
      (index: number) =>
      (...values: readonly unknown[]) =>
        this.#ask({ id, index, values });
    const received = args.map((arg) => receivedOf(arg, signal, callback));
    const result = await (served.object as Readonly<Record<string, Callable>>)[method]?.(...received);
    return opens === null ? result : this.#keep(opens, result as object);
  }

  #keep(kind: string, object: object): Opened {
    this.#opened += 1;
    this.#objects.set(this.#opened, { kind, object });
    const fields = Object.entries(object).filter(([, value]) => typeof value !== 'function');
    return { handle: this.#opened, fields: Object.fromEntries(fields) };
  }

  /** The caller's function: its answer is a promise, which who wants no answer may leave alone. */
  #ask(call: Omit<AskMessage, 'kind' | 'question'>): Promise<unknown> {
    this.#asked += 1;
    const question = this.#asked;
    const answer = new Promise<unknown>((resolve, reject) => this.#questions.set(question, { resolve, reject }));
    answer.catch(() => undefined);
    this.#send({ kind: 'ask', question, ...call });
    return answer;
  }

  /** With the root go all other objects and the port, once the answer is sent. */
  async #dispose(handle: number): Promise<void> {
    if (handle === ROOT)
      for (const other of [...this.#objects.keys()].filter((key) => key !== ROOT)) await this.#dispose(other);
    const object = this.#objects.get(handle)?.object as AsyncDisposable | undefined;
    this.#objects.delete(handle);
    await object?.[Symbol.asyncDispose]();
    if (handle === ROOT) setImmediate(() => this.#port.close());
  }

  #send(message: ToClient): void {
    this.#port.postMessage(message);
  }
}

interface Pending {
  readonly functions: readonly Callable[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (thrown: unknown) => void;
  /** What a function of the caller threw: the call fails with that, and not with what the other side makes of it. */
  failure: { readonly thrown: unknown } | null;
}

/** The calling side. */
export class RpcClient {
  readonly #port: Port;
  readonly #table: MethodTable;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #broken: Error | null = null;

  constructor(port: Port, table: MethodTable) {
    this.#port = port;
    this.#table = table;
    port.on('message', (message) => void this.#receive(message as ToClient));
  }

  /** The served object, here. `T` has exactly the methods that the table lists for `kind`. */
  root<T extends AsyncDisposable>(kind: string): T {
    return this.#remote(kind, { handle: ROOT, fields: {} }) as unknown as T;
  }

  /** Fails what is pending and every later call: the other side is gone. */
  break(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#broken);
  }

  #remote(kind: string, { handle, fields }: Opened): AsyncDisposable {
    const methods = Object.entries(this.#table[kind] ?? {}).map(([method, opens]) => [
      method,
      async (...args: readonly unknown[]) => {
        const value = await this.#call(handle, method, args);
        return opens === null ? value : this.#remote(opens, value as Opened);
      },
    ]);
    return {
      ...fields,
      ...Object.fromEntries(methods),
      [Symbol.asyncDispose]: async () => void (await this.#call(handle, DISPOSE, [])),
    };
  }

  /** When a signal among the arguments fires the other side is told, and the call still ends by its answer. */
  async #call(handle: number, method: string, given: readonly unknown[]): Promise<unknown> {
    if (this.#broken) throw this.#broken;
    this.#calls += 1;
    const id = this.#calls;
    const functions: Callable[] = [];
    const signals: AbortSignal[] = [];
    const args = given.map((arg) => sentOf(arg, { functions, signals, isOption: false }));
    const cancel = (): void => this.#send({ kind: 'cancel', id });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { functions, resolve, reject, failure: null });
        this.#send({ kind: 'call', id, handle, method, args });
        for (const signal of signals) {
          if (signal.aborted) cancel();
          signal.addEventListener('abort', cancel, { once: true });
        }
      });
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', cancel);
      this.#pending.delete(id);
    }
  }

  #send(message: ToServer): void {
    this.#port.postMessage(message);
  }

  async #receive(message: ToClient): Promise<void> {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.kind === 'ask') return this.#reply(message, pending);
    if (pending.failure) pending.reject(pending.failure.thrown);
    else if (message.kind === 'thrown') pending.reject(decode(message.thrown));
    else pending.resolve(message.value);
  }

  async #reply({ id, question, index, values }: AskMessage, pending: Pending): Promise<void> {
    try {
      this.#send({ kind: 'answer', question, value: await pending.functions[index]?.(...values) });
    } catch (thrown) {
      pending.failure ??= { thrown };
      this.#send({ kind: 'answer', question, thrown: encode(thrown) });
      // The other side may not wait for this answer.
      this.#send({ kind: 'cancel', id });
    }
  }
}

interface Kept {
  readonly functions: Callable[];
  readonly signals: AbortSignal[];
  /** The value is a field of an options object. */
  readonly isOption: boolean;
}

/** An argument as it crosses; its functions and signals are added to `kept`. */
function sentOf(value: unknown, kept: Kept): Sent {
  if (typeof value === 'function') return { kind: 'function', index: kept.functions.push(value as Callable) - 1 };
  if (value instanceof AbortSignal) {
    kept.signals.push(value);
    return { kind: 'signal' };
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (kept.isOption || !isObject) return { kind: 'copy', value };
  const fields = Object.entries(value).map(([key, field]) => [key, sentOf(field, { ...kept, isOption: true })]);
  return { kind: 'fields', fields: Object.fromEntries(fields) };
}

function receivedOf(sent: Sent, signal: AbortSignal, callback: (index: number) => Callable): unknown {
  if (sent.kind === 'copy') return sent.value;
  if (sent.kind === 'function') return callback(sent.index);
  if (sent.kind === 'signal') return signal;
  const fields = Object.entries(sent.fields).map(([key, field]) => [key, receivedOf(field, signal, callback)]);
  return Object.fromEntries(fields);
}

function encode(thrown: unknown): ThrownMessage {
  const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  const code = thrown instanceof SipfError ? thrown.code : null;
  return { code, name: error.name, message: error.message, stack: error.stack };
}

/** The error as it was thrown on the other side, its stack included. */
function decode({ code, name, message, stack }: ThrownMessage): Error {
  const error = code === null ? Object.assign(new Error(message), { name }) : new SipfError(code, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
