// A server with one process reward model -> how it scores, found by a first path, and its scores.
import type { ProcessRewardModel, StepPath } from '../backend.ts';
import { SipfError, shown } from '../errors.ts';
import type { Fact } from '../remote/fact.ts';
import { readJson } from '../remote/json-answer.ts';
import { modelCards } from '../remote/model-cards.ts';
import { isBusy, type ServerRequest, type ServerRequests } from '../remote/server-requests.ts';
import { differsAt, PROBE_TEXT, probeTokens } from '../remote/server-tokens.ts';
import { NEVER } from '../remote/stopper.ts';
import { type Ask, type AskedPath, type ScorePath, WAYS, type Way } from './ways.ts';

/** Read before any other path. */
const PROBE: StepPath = { prompt: PROBE_TEXT, steps: ['\n3*4=12 apples.\n', 'The answer is 12\n'] };

/** A server, and the name that it has for the model. */
interface Server {
  readonly requests: ServerRequests;
  /** undefined: no request says it. */
  readonly model: string | undefined;
}

/** A model that a server has. */
export interface ServedPrm {
  /** Tokens; Infinity: as many as the model's files say. */
  readonly contextLength: number;
  /** A failure is an error, never a score. */
  score(path: AskedPath, signal: AbortSignal): Promise<readonly number[]>;
  readonly facts: readonly Fact[];
}

/**
 * Asks a server what it has and how it scores. `here` is the same model by its files.
 * @throws SipfError 'bad-config' where it has another model or tokenizer, or refuses; 'unsupported' where it scores in no known way; 'unreachable'.
 */
export async function askServer(server: Server, here: ProcessRewardModel): Promise<ServedPrm> {
  const { software, contextLength } = await cardOf(server);
  const { way, score } = await firstWay(server, here);
  const tokenizer = way.sendsIds ? await compareTokenizers(server, here) : 'the same files';
  return {
    contextLength: contextLength ?? Number.POSITIVE_INFINITY,
    score: (path, signal) => score(path, askOf(server, {}, signal)),
    facts: [
      { name: 'server', value: software },
      { name: 'scores', value: way.name },
      { name: 'context length', value: contextLength === null ? 'not told' : `${contextLength} tokens` },
      { name: 'tokenizer', value: tokenizer },
    ],
  };
}

interface Card {
  readonly software: string;
  readonly contextLength: number | null;
}

/** A server without the model does not list its name. Where no name is said, the shortest of its contexts counts. */
async function cardOf({ requests, model }: Server): Promise<Card> {
  const { reply, cards } = await modelCards(requests, NEVER);
  const address = requests.addressOf('/v1/models');
  if (reply.status === 401 || reply.status === 403)
    throw new SipfError(
      'bad-config',
      `Expected ${address} to list its models, got status ${reply.status}: ${reply.said}. Name the variable with its API key (engine.scorer.apiKeyFrom).`,
    );
  const own = (cards ?? []).filter(({ id }) => model === undefined || id === model);
  if (cards !== null && own.length === 0)
    throw new SipfError(
      'bad-config',
      `Expected a model that ${address} lists (${cards.map(({ id }) => shown(id)).join(', ')}), got ${shown(model)}. Correct engine.scorer.model.`,
    );
  const lengths = own.flatMap(({ max_model_len: length }) => length ?? []);
  return {
    software: own[0]?.owned_by ?? 'unknown',
    contextLength: lengths.length === 0 ? null : Math.min(...lengths),
  };
}

/** The first way in which the server scores a path. */
async function firstWay(server: Server, here: ProcessRewardModel): Promise<{ way: Way; score: ScorePath }> {
  const [tokens = null] = (await here.encodePaths?.([PROBE])) ?? [];
  // A server may answer with an error of its own what it does not know.
  const ask = askOf(server, { passes: isBusy }, NEVER);
  const refusals: string[] = [];
  for (const way of WAYS) {
    try {
      const score = await way.open(ask, here.hash);
      await score({ ...PROBE, tokens }, ask);
      return { way, score };
    } catch (error) {
      if (!(error instanceof SipfError) || error.code !== 'unsupported') throw error;
      refusals.push(`${way.name}: ${error.message}`);
    }
  }
  throw new SipfError(
    'unsupported',
    `Expected a server that scores steps in a known way, got none of them. Start it as docs/engines.md says.\n${refusals.join('\n')}`,
  );
}

/** Token ids are sent as the model's files here give them: a server with another tokenizer has another model. */
async function compareTokenizers({ requests, model }: Server, here: ProcessRewardModel): Promise<string> {
  const there = await probeTokens(requests, model, NEVER);
  const [own] = (await here.encodePaths?.([{ prompt: PROBE_TEXT, steps: [] }])) ?? [];
  if (there === null || own === undefined) return 'not told';
  const place = differsAt(own.ids, there, true);
  if (place === null) return 'equal by token ids of a text';
  throw new SipfError(
    'bad-config',
    `Expected the tokenizer of the process reward model at ${requests.addressOf('/tokenize')}, got another one: token ids of a text differ from place ${place} on. Give the server the model's own files.`,
  );
}

function askOf({ requests, model }: Server, how: Pick<ServerRequest, 'passes'>, signal: AbortSignal): Ask {
  return (path, body, schema) => {
    const refusal = (got: string) =>
      new SipfError(
        'unsupported',
        `Expected step scores from ${requests.addressOf(path)}, got ${got}. Start the server as docs/engines.md says.`,
      );
    return requests.send(
      { path, body: { model, ...body }, ...how },
      (reply) => readJson(reply, schema, refusal),
      signal,
    );
  };
}
