// A policy -> a real HTTP server that speaks POST /v1/completions as some engines do, with faults.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Completion, Policy } from '../src/backend.ts';

/** What a request says, as the tests read it. */
export interface Asked {
  readonly prompt: string | number[];
  readonly seed: number;
  readonly temperature: number;
  readonly max_tokens: number;
  readonly n?: number;
  readonly stop?: readonly string[];
  readonly [field: string]: unknown;
}

/** What is wrong with an answer. `cut`: the connection ends, before the answer or in it. `mute`: nothing comes. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'cut'
  | 'cut-within'
  | 'mute'
  | { readonly change: (answer: Record<string, unknown>) => unknown };

export interface ServerSettings {
  readonly policy: Policy;
  /** `strict` refuses fields that it does not know; so does transformers, which draws greedily unless its own field says else. */
  readonly form?: 'vllm' | 'llama.cpp' | 'bare' | 'strict' | 'transformers';
  /** Milliseconds before an answer. */
  readonly delay?: number;
  /** The fault of the n-th request (from 1), probes aside; null: none. */
  readonly faultOf?: (n: number, asked: Asked) => Fault | null;
  /** What `GET /v1/models` lists. Absent: status 404. */
  readonly models?: readonly object[];
  /** What `POST /tokenize` makes of a prompt. Absent: status 404. */
  readonly tokenize?: (prompt: string) => readonly number[];
  /** How it tells log-probabilities of prompts. Absent: in no way. */
  readonly given?: 'echo' | 'prompt_logprobs';
}

export interface CompletionServer extends AsyncDisposable {
  readonly url: string;
  /** Every request for a completion, in the order in which they came, probes aside. */
  readonly asked: readonly Asked[];
  /** Requests for one greedy token or none, and at temperature 2: they ask what the server can, or read a given text. */
  readonly probed: readonly Asked[];
  readonly headers: readonly IncomingMessage['headers'][];
  /** Requests that were answered whole. */
  readonly answered: readonly Asked[];
  /** The most that were open at a time. */
  readonly most: number;
}

/** Fields that a server of this form refuses. */
function unknownFields(asked: Asked, form: ServerSettings['form']): readonly string[] {
  if (form !== 'strict' && form !== 'transformers') return [];
  const standard =
    'model prompt n seed temperature top_p presence_penalty frequency_penalty max_tokens logprobs stop echo';
  const known = new Set(standard.split(' ').concat(form === 'transformers' ? ['generation_config'] : []));
  return Object.keys(asked).filter((field) => !known.has(field));
}

/** As transformers' own server reads a request: it draws where its own field says so alone. */
function asTransformers(asked: Asked): Asked {
  const { do_sample: samples = false } = JSON.parse(String(asked['generation_config'] ?? '{}')) as {
    do_sample?: boolean;
  };
  return samples ? asked : { ...asked, temperature: 0 };
}

/** What the policy writes for a request: its random numbers depend on the request's seed alone. */
async function write(policy: Policy, { prompt, seed, temperature, max_tokens, stop = [] }: Asked): Promise<Completion> {
  let drawn: Completion | undefined;
  const sampling = { temperature, maxTokens: max_tokens, stopStrings: stop };
  await policy.generate([{ id: '0', context: [prompt], key: String(seed), sampling }], ([completion]) => {
    drawn = completion;
    return [];
  });
  if (drawn === undefined) throw new Error('Nothing was drawn');
  return drawn;
}

function answerOf(drawn: readonly Completion[], asked: Asked, form: ServerSettings['form']) {
  const completionTokens = drawn.reduce((sum, { tokens }) => sum + tokens, 0);
  const usage = { prompt_tokens: [...asked.prompt].length, completion_tokens: completionTokens };
  return { choices: drawn.map((completion, index) => ({ index, ...choiceOf(completion, form) })), usage };
}

function choiceOf({ text, tokenIds, logps, finishReason }: Completion, form: ServerSettings['form']) {
  const choice = { text, finish_reason: finishReason };
  if (form === 'bare' || form === 'strict' || form === 'transformers') return { ...choice, logprobs: null };
  if (form === 'llama.cpp') {
    const content = tokenIds?.map((id, i) => ({ id, token: String(id), logprob: logps?.[i] }));
    return { ...choice, logprobs: { content } };
  }
  return { ...choice, token_ids: tokenIds, logprobs: { token_logprobs: logps } };
}

/** The completion behind its prompt, or beside it, with the prompt's log-probabilities. */
async function readingOf(policy: Policy, asked: Asked, drawn: Completion, given: 'echo' | 'prompt_logprobs') {
  const prompt = [...asked.prompt].map(Number);
  const item = { context: [prompt.slice(0, 1)], completion: prompt.slice(1) };
  const [read = []] = await policy.logps([item]);
  const told = [null, ...read];
  const choice = { index: 0, text: drawn.text, finish_reason: 'length' };
  const byId = told.map((logprob, n) => (logprob === null ? null : { [prompt[n]!]: { logprob, rank: 1 } }));
  if (given === 'prompt_logprobs') return { choices: [{ ...choice, prompt_logprobs: byId }] };
  return { choices: [{ ...choice, logprobs: { token_logprobs: [...told, ...(drawn.logps ?? [])] } }] };
}

/** What was sent; null where the caller left before its end. */
async function bodyOf(request: IncomingMessage): Promise<Asked | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return null;
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Asked;
}

export async function openCompletionServer({
  policy,
  form,
  delay = 0,
  faultOf,
  models,
  tokenize,
  given,
}: ServerSettings): Promise<CompletionServer> {
  const seen = {
    asked: [] as Asked[],
    probed: [] as Asked[],
    answered: [] as Asked[],
    headers: [] as IncomingMessage['headers'][],
  };
  const figures = { open: 0, most: 0 };
  const completionTo = async (asked: Asked) => {
    const own = form === 'transformers' ? asTransformers(asked) : asked;
    const seeds = Array.from({ length: asked.n ?? 1 }, (_, n) => asked.seed + n);
    const drawn = await Promise.all(seeds.map((seed) => write(policy, { ...own, seed })));
    const isRead = given === 'echo' ? asked['echo'] === true : asked['prompt_logprobs'] !== undefined;
    return given !== undefined && isRead ? readingOf(policy, asked, drawn[0]!, given) : answerOf(drawn, asked, form);
  };
  const answer = async (asked: Asked, fault: Fault | null, response: ServerResponse): Promise<void> => {
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (fault === 'mute') return;
    if (fault === 'cut') return void response.destroy();
    if (fault !== null && typeof fault === 'object' && 'status' in fault)
      return void response.writeHead(fault.status, fault.headers).end(fault.body ?? 'not now');
    const own = await completionTo(asked);
    const changed = fault !== null && typeof fault === 'object' ? fault.change(own) : own;
    const text = typeof changed === 'string' ? changed : JSON.stringify(changed);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    if (fault === 'cut-within') return void response.write(text.slice(0, 20), () => response.destroy());
    response.end(text);
    seen.answered.push(asked);
  };
  const aside = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const json = (value: unknown) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (request.url === '/v1/models' && models !== undefined) return json({ object: 'list', data: models });
    const body = request.method === 'POST' ? await bodyOf(request) : null;
    if (request.url === '/tokenize' && tokenize !== undefined && typeof body?.prompt === 'string')
      return json({ tokens: tokenize(body.prompt) });
    response.writeHead(404).end();
  };
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/completions') return aside(request, response);
    figures.open += 1;
    figures.most = Math.max(figures.most, figures.open);
    response.on('close', () => {
      figures.open -= 1;
    });
    const asked = await bodyOf(request);
    if (asked === null) return;
    const isProbe = (asked.temperature === 0 && asked.max_tokens <= 1) || asked.temperature === 2;
    const unknown = unknownFields(asked, form);
    if (unknown.length > 0) return void response.writeHead(400).end(`Unexpected fields: ${unknown.join(', ')}`);
    if (isProbe) {
      seen.probed.push(asked);
      return answer(asked, null, response);
    }
    seen.asked.push(asked);
    seen.headers.push(request.headers);
    await answer(asked, faultOf?.(seen.asked.length, asked) ?? null, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    ...seen,
    get most() {
      return figures.most;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
