// A server and its model's tokenizer -> a table of what it can, asked once before anything is drawn.
import type { SamplingOptions } from '../backend.ts';
import { SipfError, shown } from '../errors.ts';
import { type ModelCard, modelCards } from '../remote/model-cards.ts';
import { isBusy, type Reply, type ServerRequest, type ServerRequests } from '../remote/server-requests.ts';
import { differsAt, PROBE_TEXT, probeTokens } from '../remote/server-tokens.ts';
import { Answer, type Choice, drawnTokens, readAnswer } from './completions.ts';
import { type Dialect, fieldsOf } from './dialects.ts';

/** A server's model, and how it is asked. */
export interface Probed {
  readonly requests: ServerRequests;
  readonly model: string;
  readonly dialect: Dialect | 'auto';
  readonly prompts: 'ids' | 'text';
  readonly signal: AbortSignal;
}

/** A way in which a server tells the log-probabilities of a prompt. */
export interface GivenWay {
  readonly name: string;
  readonly fields: object;
  /** One a token of the prompt, null for the first; null: the answer tells none. */
  readonly read: (choice: Choice, prompt: readonly number[]) => readonly (number | null)[] | null;
}

/** What becomes of a seed: its text again, another text each time, or one text for all of them. */
export type SeedUse = 'heard' | 'not heard' | 'one text';

export interface Capabilities {
  /** Whose its models are, as it says. */
  readonly software: string;
  /** Names of its models and adapters; null: it does not list them. */
  readonly models: readonly string[] | null;
  /** Tokens; null: it does not say. */
  readonly contextLength: number | null;
  readonly dialect: Dialect;
  /** Told of what was drawn. */
  readonly tokenIds: boolean;
  readonly logps: boolean;
  /** What of the tokenizer was compared; null: it tells nothing of it. */
  readonly tokenizer: 'token ids' | 'length' | null;
  /** How it tells log-probabilities of given tokens; null: in no way. */
  readonly given: GivenWay | null;
  readonly seeds: SeedUse;
}

const plain = (choice: Choice) => choice.logprobs?.token_logprobs ?? null;

/** Tried in this order. A server that only reads (`max_tokens` 0) leaves the whole context to the text. */
const GIVEN_WAYS: readonly GivenWay[] = [
  { name: 'echo', fields: { echo: true, logprobs: 1, max_tokens: 0 }, read: plain },
  { name: 'echo and a token', fields: { echo: true, logprobs: 1, max_tokens: 1 }, read: plain },
  {
    name: 'prompt_logprobs',
    fields: { prompt_logprobs: 0, max_tokens: 1 },
    read: ({ prompt_logprobs }, prompt) =>
      prompt_logprobs?.map((found, n) => found?.[prompt[n]!]?.logprob ?? null) ?? null,
  },
];

/** How far the log-probability of one token may be from itself, drawn and given: kernels of 16 bits differ with the batch. */
const SAME_LOGP = 0.1;

/**
 * Asks the server for all of its table. `ids`: `PROBE_TEXT` as the tokenizer of the configuration's model reads it.
 * @throws SipfError 'bad-config' where it has another model or tokenizer, or refuses to draw; 'unreachable' where it does not answer.
 */
export async function probe(probed: Probed, ids: readonly number[]): Promise<Capabilities> {
  const listed = await list(probed);
  checkModel(probed, listed);
  const { dialect, answer } = await firstDraw(probed, ids, listed?.software ?? '');
  const tokenizer = await compareTokenizers(probed, ids);
  const { tokenIds, logps } = drawnTokens(answer.choices[0]);
  const drawn = tokenIds?.[0] === undefined || logps?.[0] === undefined ? null : { id: tokenIds[0], logp: logps[0]! };
  const own = listed?.models.find(({ id }) => id === probed.model) ?? listed?.models[0];
  return {
    software: listed?.software ?? 'unknown',
    models: listed?.models.map(({ id }) => id) ?? null,
    contextLength: own?.max_model_len ?? null,
    dialect,
    tokenIds: tokenIds !== null,
    logps: logps !== null,
    tokenizer,
    given: probed.prompts === 'ids' && drawn !== null ? await givenWay(probed, ids, drawn) : null,
    seeds: await seedUse(probed, ids, dialect),
  };
}

interface Listed {
  readonly software: string;
  readonly models: readonly ModelCard[];
}

async function list(probed: Probed): Promise<Listed | null> {
  const { reply, cards } = await modelCards(probed.requests, probed.signal);
  if (reply.status === 401 || reply.status === 403) throw refused(probed, `status ${reply.status}: ${reply.said}`);
  return cards && { software: cards[0]?.owned_by ?? 'unknown', models: cards };
}

/** llama.cpp has one model, and hears no name. */
function checkModel({ requests, model }: Probed, listed: Listed | null): void {
  if (listed === null || listed.software === 'llamacpp') return;
  const names = listed.models.map(({ id }) => id);
  if (names.length === 0 || names.includes(model)) return;
  throw new SipfError(
    'bad-config',
    `Expected a model that ${requests.addressOf('/v1/models')} lists (${names.map(shown).join(', ')}), got ${shown(model)}. Correct engine.sampler.model.`,
  );
}

interface FirstDraw {
  readonly dialect: Dialect;
  readonly answer: Answer;
}

/** One greedy token, asked in all words of vLLM; in those of others where the server refuses them. */
async function firstDraw(probed: Probed, ids: readonly number[], software: string): Promise<FirstDraw> {
  const draw = (as: Dialect) => drawProbe(probed, ids, as, { temperature: 0, maxTokens: 1 }, 0);
  if (probed.dialect !== 'auto')
    return { dialect: probed.dialect, answer: await answered(probed, await draw(probed.dialect)) };
  const reply = await draw('vllm');
  if (!isNotUnderstood(reply)) {
    const answer = await answered(probed, reply);
    return { dialect: dialectOf(answer, software), answer };
  }
  const second = await draw('transformers');
  if (!isNotUnderstood(second)) return { dialect: 'transformers', answer: await answered(probed, second) };
  return { dialect: 'openai', answer: await answered(probed, await draw('openai')) };
}

const isNotUnderstood = ({ status }: Reply) => status === 400 || status === 422;

function drawProbe(
  probed: Probed,
  ids: readonly number[],
  as: Dialect,
  sampling: SamplingOptions,
  seed: number,
): Promise<Reply> {
  const prompt = probed.prompts === 'ids' ? ids : PROBE_TEXT;
  return completion(probed, { prompt, ...fieldsOf(as, sampling, seed) });
}

/** As hot as servers allow: two seeds then hardly ever give the same text. */
export const HOT = { temperature: 2, maxTokens: 16 } as const satisfies SamplingOptions;

/** One text for all seeds: the server does not sample, and all samples of a question would be the same. */
async function seedUse(probed: Probed, ids: readonly number[], dialect: Dialect): Promise<SeedUse> {
  const draw = async (seed: number) => {
    const { choices } = await answered(probed, await drawProbe(probed, ids, dialect, HOT, seed));
    return choices[0].text;
  };
  const [first, ...others] = [await draw(1), await draw(2), await draw(3)];
  if (others.every((text) => text === first)) return 'one text';
  return (await draw(1)) === first ? 'heard' : 'not heard';
}

/** A server that ignores what it does not know tells no token ids: top-k would be lost there without a word. */
function dialectOf({ choices: [choice] }: Answer, software: string): Dialect {
  if (choice.logprobs?.content?.some(({ id }) => id !== undefined)) return 'llama.cpp';
  return choice.token_ids != null || software === 'vllm' || software === 'sglang' ? 'vllm' : 'openai';
}

async function compareTokenizers(probed: Probed, ids: readonly number[]): Promise<Capabilities['tokenizer']> {
  const there = await probeTokens(probed.requests, probed.model, probed.signal);
  if (there !== null) {
    checkIds(probed, ids, there);
    return 'token ids';
  }
  const reply = await completion(probed, { prompt: PROBE_TEXT, max_tokens: 1, temperature: 0, return_token_ids: true });
  const last = isNotUnderstood(reply)
    ? await completion(probed, { prompt: PROBE_TEXT, max_tokens: 1, temperature: 0 })
    : reply;
  if (last.status !== 200) return null;
  const { choices, usage } = await answered(probed, last);
  const told = choices[0].prompt_token_ids;
  if (told != null) checkIds(probed, ids, told);
  else if (usage != null) checkLength(probed, ids.length, usage.prompt_tokens);
  return told != null ? 'token ids' : usage != null ? 'length' : null;
}

/** Where prompts are sent as ids, the server's own rule for the token that begins a text does not matter. */
function checkIds(probed: Probed, here: readonly number[], there: readonly number[]): void {
  const place = differsAt(here, there, probed.prompts === 'ids');
  if (place === null) return;
  throw otherTokenizer(
    probed,
    `${here.length} token ids here and ${there.length} there, which differ from place ${place} on`,
  );
}

function checkLength(probed: Probed, here: number, there: number): void {
  if (Math.abs(here - there) <= (probed.prompts === 'ids' ? 1 : 0)) return;
  throw otherTokenizer(probed, `${here} tokens here and ${there} there`);
}

function otherTokenizer({ requests, model }: Probed, got: string): SipfError {
  return new SipfError(
    'bad-config',
    `Expected the tokenizer of the configuration's own model at ${requests.addressOf('/v1/completions')} (${model}), got another one: a text has ${got}. Give the server the same files, or correct engine.sampler.model, url and serves.`,
  );
}

/** The first way whose last number is that of the token as it was drawn. */
async function givenWay(
  probed: Probed,
  ids: readonly number[],
  drawn: { readonly id: number; readonly logp: number },
): Promise<GivenWay | null> {
  const prompt = [...ids, drawn.id];
  for (const way of GIVEN_WAYS) {
    const reply = await completion(probed, { prompt, temperature: 0, seed: 0, ...way.fields });
    const parsed = Answer.safeParse(reply.value);
    const logps = parsed.success ? givenLogps(way, parsed.data, prompt) : null;
    if (logps !== null && Math.abs(logps.at(-1)! - drawn.logp) <= SAME_LOGP) return way;
  }
  return null;
}

/** Log-probabilities of a prompt's tokens behind the first; null: the answer does not tell them all. */
export function givenLogps(
  way: GivenWay,
  { choices: [choice] }: Answer,
  prompt: readonly number[],
): readonly number[] | null {
  const told = way.read(choice, prompt)?.slice(1, prompt.length) ?? [];
  return told.length === prompt.length - 1 && told.every((logp) => logp !== null) ? told : null;
}

const tell = ({ requests, signal }: Probed, request: ServerRequest): Promise<Reply> =>
  requests.send({ ...request, passes: isBusy }, (reply) => ({ answer: reply }), signal);

const completion = (probed: Probed, body: object): Promise<Reply> =>
  tell(probed, { path: '/v1/completions', body: { model: probed.model, ...body } });

async function answered(probed: Probed, reply: Reply): Promise<Answer> {
  const tried = readAnswer(reply, (got) => refused(probed, got));
  if ('answer' in tried) return tried.answer;
  throw refused(probed, tried.problem);
}

/** What the server says of a request that no further try changes. */
export function refused({ requests, model }: Pick<Probed, 'requests' | 'model'>, got: string): SipfError {
  return new SipfError(
    'bad-config',
    `Expected ${requests.addressOf('/v1/completions')} to complete a prompt by ${model}, got ${got}. Compare url, model, dialect, prompts and apiKeyFrom of engine.sampler with the server.`,
  );
}
