// Method calls over a MessagePort: results, errors with their codes, questions back to the caller, news on the way, cancellation. Knows no backend.
import { messageOf, SipfError, type SipfErrorCode } from '../errors.ts';

/** Method -> [argument, result]; both survive structured cloning. */
export type Methods = Record<string, readonly [argument: unknown, result: unknown]>;

interface ThrownMessage {
  /** null: a bug, not a SipfError. */
  readonly code: SipfErrorCode | null;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

type ToServer =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'answer'; readonly question: number; readonly value?: unknown; readonly thrown?: ThrownMessage };

type ToClient =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'thrown'; readonly id: number; readonly thrown: ThrownMessage }
  | { readonly kind: 'ask'; readonly id: number; readonly question: number; readonly value: unknown }
  | { readonly kind: 'tell'; readonly id: number; readonly value: unknown };

/** Where messages go and come from: a MessagePort or a Worker. */
export interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** What a served method may do besides returning. */
export interface ServedCall {
  readonly signal: AbortSignal;
  /** Waits for the caller's answer. */
  ask(value: unknown): Promise<unknown>;
  tell(value: unknown): void;
}

export type Handlers<M extends Methods> = {
  readonly [Name in keyof M]: (argument: M[Name][0], call: ServedCall) => Promise<M[Name][1]>;
};

/** Answers calls from `port` for as long as it is open. */
export function serve<M extends Methods>(port: Port, handlers: Handlers<M>): void {
  const running = new Map<number, AbortController>();
  const questions = new Map<number, { resolve: (value: unknown) => void; reject: (thrown: unknown) => void }>();
  let asked = 0;
  const send = (message: ToClient): void => port.postMessage(message);
  const start = async ({ id, method, argument }: Extract<ToServer, { kind: 'call' }>): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    const call: ServedCall = {
      signal: controller.signal,
      ask: (value) =>
        new Promise((resolve, reject) => {
          questions.set(++asked, { resolve, reject });
          send({ kind: 'ask', id, question: asked, value });
        }),
      tell: (value) => send({ kind: 'tell', id, value }),
    };
    try {
      const handler = handlers[method];
      if (!handler) throw new Error(`No method is called ${method}`);
      send({ kind: 'result', id, value: await handler(argument, call) });
    } catch (thrown) {
      send({ kind: 'thrown', id, thrown: encode(thrown) });
    } finally {
      running.delete(id);
    }
  };
  port.on('message', (received) => {
    const message = received as ToServer;
    if (message.kind === 'call') void start(message);
    else if (message.kind === 'cancel') running.get(message.id)?.abort();
    else {
      const question = questions.get(message.question);
      questions.delete(message.question);
      if (message.thrown) question?.reject(decode(message.thrown));
      else question?.resolve(message.value);
    }
  });
}

export interface CallHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onAsk?: ((value: never) => unknown) | undefined;
  readonly onTell?: ((value: never) => void) | undefined;
}

interface Pending extends CallHooks {
  readonly resolve: (value: unknown) => void;
  readonly reject: (thrown: unknown) => void;
  /** What the caller's own code threw in a hook: the call fails with that, whatever the other side makes of it. */
  failure: { readonly thrown: unknown } | null;
}

/** The calling side. */
export class RpcClient<M extends Methods> {
  readonly #port: Port;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #broken: Error | null = null;

  constructor(port: Port) {
    this.#port = port;
    port.on('message', (message) => void this.#receive(message as ToClient));
  }

  /** Calls `method`; when `signal` fires the other side is told, and the call still ends by its answer. */
  async call<Name extends keyof M & string>(
    method: Name,
    argument: M[Name][0],
    hooks: CallHooks = {},
  ): Promise<M[Name][1]> {
    if (this.#broken) throw this.#broken;
    const id = ++this.#calls;
    const cancel = (): void => this.#send({ kind: 'cancel', id });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { ...hooks, resolve, reject, failure: null });
        this.#send({ kind: 'call', id, method, argument });
        if (hooks.signal?.aborted) cancel();
        hooks.signal?.addEventListener('abort', cancel, { once: true });
      });
    } finally {
      hooks.signal?.removeEventListener('abort', cancel);
      this.#pending.delete(id);
    }
  }

  /** Fails what is pending and every later call: the other side is gone. */
  break(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#broken);
  }

  #send(message: ToServer): void {
    this.#port.postMessage(message);
  }

  async #receive(message: ToClient): Promise<void> {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.kind === 'result')
      return pending.failure ? pending.reject(pending.failure.thrown) : pending.resolve(message.value);
    if (message.kind === 'thrown')
      return pending.reject(pending.failure ? pending.failure.thrown : decode(message.thrown));
    const { id } = message;
    try {
      if (message.kind === 'tell') return pending.onTell?.(message.value as never);
      this.#send({ kind: 'answer', question: message.question, value: await pending.onAsk?.(message.value as never) });
    } catch (thrown) {
      pending.failure ??= { thrown };
      if (message.kind === 'ask') this.#send({ kind: 'answer', question: message.question, thrown: encode(thrown) });
      else this.#send({ kind: 'cancel', id });
    }
  }
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
