// A method, an address and the answers -> the reply: the page, or JSON.
import type { z } from 'zod';
import { SipfError, shown } from '../../errors.ts';
import { ApiError } from '../../http/api-error.ts';
import { bodyAs } from '../../http/body.ts';
import type { Incoming } from '../../http/http-server.ts';
import { isSecret } from '../../http/own-machine.ts';
import type { Reply } from '../../http/replies.ts';
import type { Answers } from '../answers.ts';
import { ASKS, askOf, GivenLabel } from './asks.ts';
import { changeRefusal } from './page-guards.ts';

export interface Place {
  readonly answers: Answers;
  /** The first part of every address. */
  readonly token: string;
  readonly html: string;
}

/** What an address gives for its query. */
type Read = (answers: Answers, query: string) => Promise<object>;

const read =
  <T>(schema: z.ZodType<T>, answer: (answers: Answers, ask: T) => Promise<object>): Read =>
  (answers, query) =>
    answer(answers, askOf(schema, query));

const READS: ReadonlyMap<string, Read> = new Map([
  ['api/runs', read(ASKS.runs, (answers) => answers.runs())],
  ['api/rounds', read(ASKS.run, (answers, ask) => answers.rounds(ask))],
  ['api/questions', read(ASKS.questions, (answers, ask) => answers.questions(ask))],
  ['api/question', read(ASKS.question, (answers, ask) => answers.question(ask))],
  ['api/rollouts', read(ASKS.rollouts, (answers, ask) => answers.rollouts(ask))],
  ['api/tokens', read(ASKS.tokens, (answers, ask) => answers.tokens(ask))],
  ['api/pairs', read(ASKS.pairs, (answers, ask) => answers.pairs(ask))],
  ['api/pair', read(ASKS.pair, (answers, ask) => answers.pair(ask))],
  ['api/scores', read(ASKS.round, (answers, ask) => answers.scores(ask))],
  ['api/training', read(ASKS.run, (answers, ask) => answers.training(ask))],
  ['api/compare', read(ASKS.compare, (answers, ask) => answers.compare(ask))],
]);

const LABELS = 'api/labels';
/** Characters of an address. */
const LONGEST_ADDRESS = 8000;

/**
 * An address is compared as it came: nothing in it is a path of a file, and nothing is decoded but its query.
 * @throws ApiError 404 for another address (and for another token), 405 for another method, 414 for one that is too long.
 */
export async function replyOf(incoming: Incoming, place: Place): Promise<Reply> {
  const { method, url } = incoming;
  if (url.length > LONGEST_ADDRESS)
    throw new ApiError(414, `Expected an address of at most ${LONGEST_ADDRESS} characters, got ${url.length}.`);
  const [path = '', ...queries] = url.split('?');
  const query = queries.join('?');
  const name = nameIn(path, place.token);
  if (name === LABELS) return { json: await label(incoming, query, place.answers) };
  const answer = READS.get(name ?? '');
  if (name !== '' && answer === undefined)
    throw new ApiError(404, `Expected the address that \`sipf view\` printed, got ${shown(path)}. Open that.`);
  requireMethod(method, ['GET', 'HEAD']);
  return answer === undefined ? { html: place.html } : { json: await answer(place.answers, query) };
}

/** What follows the token; null: there is another one, or none. */
function nameIn(path: string, token: string): string | null {
  const [, given = '', name = ''] = /^\/([^/]+)\/(.*)$/s.exec(path) ?? [];
  return isSecret(given, token) ? name : null;
}

async function label(incoming: Incoming, query: string, answers: Answers): Promise<object> {
  requireMethod(incoming.method, ['POST']);
  const refusal = changeRefusal(incoming.headers);
  if (refusal !== null) throw refusal;
  const { run } = askOf(ASKS.run, query);
  return answers.label({ run, ...bodyAs(GivenLabel, await incoming.body()) }).catch(tellRefusal);
}

/** Who gives labels is who can free the disk: no fault of the server's own. */
function tellRefusal(thrown: unknown): never {
  const isRefused = thrown instanceof SipfError && thrown.code === 'write-failed';
  throw isRefused ? new ApiError(500, thrown.message) : thrown;
}

function requireMethod(method: string, allowed: readonly string[]): void {
  if (allowed.includes(method)) return;
  const message = `Expected ${allowed.join(' or ')}, got ${shown(method)}. Use that method.`;
  throw new ApiError(405, message, { allow: allowed.join(', ') });
}
