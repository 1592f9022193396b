// An open backend and which models to serve -> a server with OpenAI's interface.
import { randomInt } from 'node:crypto';
import type { Backend } from '../backend.ts';
import { HttpServer, type Incoming, type Limits } from '../http/http-server.ts';
import type { Reply } from '../http/replies.ts';
import { errorBody } from './error-body.ts';
import type { Exchange } from './exchange.ts';
import { checkAccess, refusalOf } from './guards.ts';
import { endpointOf } from './routes.ts';
import { type Served, ServedModels } from './served-models.ts';

export interface ServeOptions extends Partial<Served> {
  readonly model: string;
  /** Default: 127.0.0.1, which this machine alone can reach. */
  readonly host?: string;
  /** Default: 8000. 0: one that is free. */
  readonly port?: number;
  /** What clients send as a bearer token; needed where `host` is no loopback address. */
  readonly token?: string | null;
  readonly limits?: Partial<Limits>;
  /** Told of faults that no client is told of. */
  readonly log?: (message: string) => void;
}

export interface ModelServer extends AsyncDisposable {
  /** Without a path: `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Names that clients may give. */
  readonly models: readonly string[];
}

export const DEFAULT_LIMITS: Limits = { body: 4 << 20, requests: 256, seconds: 600 };

/**
 * Serves models until the result is disposed, which waits a few seconds for requests that run. The backend stays open.
 * @throws SipfError 'bad-input' where the address is in use, or others could reach it without a token; and where a model cannot be opened or served.
 * @example
 * await using backend = await openBackend();
 * await using server = await serve(backend, { model: './SmolLM2-135M', port: 8000 });
 */
export async function serve(backend: Backend, options: ServeOptions): Promise<ModelServer> {
  const { model, adapters = new Map(), prm = null, adapterRoot = null } = options;
  const { host = '127.0.0.1', port = 8000, token = null, log = () => {} } = options;
  checkAccess({ host, token });
  const models = await ServedModels.open(backend, { model, adapters, prm, adapterRoot }, log);
  const world = { models, now: () => Math.floor(Date.now() / 1000), randomSeed: () => randomInt(2 ** 31) };
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  try {
    const http = await HttpServer.open(
      { host, port, limits, log },
      {
        refusalOf: (headers) => refusalOf(headers, { host, token }),
        answer: (incoming) => answer(incoming, world),
        errorBody,
      },
    );
    return {
      url: http.url,
      models: models.cards.map(({ id }) => id),
      async [Symbol.asyncDispose]() {
        await http[Symbol.asyncDispose]();
        await models[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await models[Symbol.asyncDispose]();
    throw error;
  }
}

async function answer(incoming: Incoming, world: Pick<Exchange, 'models' | 'now' | 'randomSeed'>): Promise<Reply> {
  const { method, url, signal, leases, number } = incoming;
  const endpoint = endpointOf(method, url);
  const body = method === 'POST' ? await incoming.body() : undefined;
  const lease: Exchange['lease'] = (name) => {
    const own = world.models.lease(name);
    leases.push(own);
    return own;
  };
  return endpoint({ ...world, lease, body, signal, caller: String(number) });
}
