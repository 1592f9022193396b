// A server that scores steps: its settings -> process reward models that ask it.
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Backend, ProcessRewardModel, Scorer } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError, shellWord } from '../errors.ts';
import { MOST } from '../limits.ts';
import type { ModelSource } from '../records.ts';
import type { Fact } from '../remote/fact.ts';
import { LaunchedServer } from '../remote/launched-server.ts';
import { limiter } from '../remote/limiter.ts';
import { ServerRequests, type Waits } from '../remote/server-requests.ts';
import {
  Address,
  API_KEY_FROM,
  apiKeyOf,
  checkPlace,
  checkProgram,
  REQUESTS,
  START_TIMEOUT,
} from '../remote/server-settings.ts';
import { checkWords, openPrmFiles } from './prm-files.ts';
import { askServer } from './score-server.ts';
import { servedPrm } from './served-prm.ts';

export const OpenAiScorer = z.strictObject({
  kind: described(
    z.literal('openai'),
    "A server with vLLM's /pooling, or that of sipf serve. Set it to score steps where the GPUs are.",
  ),
  url: described(
    Address.nullable().default(null),
    'Its address up to and with the version, such as http://localhost:8000/v1. null: the server of `launch`. Give it for a server that has one given model.',
  ),
  serves: described(
    z.string().min(1).nullable().default(null),
    'The folder of the process reward model that the server of `url` has. null: the server of `launch`, which has each in turn. Every `url` needs one.',
  ),
  launch: described(
    z.array(z.string()).min(1).nullable().default(null),
    'The words of a command that starts a server of one process reward model, in place of `url`: {port} is a free port, {model} a folder with the model as a causal LM (prm-lm), {prm} its own folder. null: the server runs already. Set it for runs, whose rounds train a model each.',
  ),
  startTimeout: START_TIMEOUT,
  model: described(
    z.string().min(1).nullable().default(null),
    'The name that the server has for the model. null: requests say none. Set it for a server of several models.',
  ),
  concurrency: described(
    z.number().int().positive().max(MOST.slots).default(32),
    'Requests at a time, one path each. Raise it to what the server batches.',
  ),
  ...REQUESTS,
  apiKeyFrom: API_KEY_FROM,
});
type Settings = z.output<typeof OpenAiScorer>;

/** What a scorer has of the place where it is opened. */
export interface ScorerParts extends Waits {
  /** Has the models' files: tokenizers, lengths, and the forms that servers read. */
  readonly local: Pick<Backend, 'openPrm' | 'exportModel'>;
  readonly log: (message: string) => void;
  /** Where API keys are. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A server is to start here: others may make room for it. */
  readonly starts: () => Promise<void>;
}

/** Where a model is, for as long as it is open. */
interface Place extends AsyncDisposable {
  readonly locate: (signal: AbortSignal) => Promise<string>;
}

/** A scorer that tells what its server can. */
export interface ServerScorer extends Scorer {
  /** @throws SipfError where the server has another model, or scores in no known way; 'unreachable'. */
  table(): Promise<readonly Fact[]>;
}

/**
 * Models whose servers score them. Closing a model ends the server that was started for it.
 * @throws SipfError 'bad-config' where settings do not belong together, or an API key is not there; from openPrm 'unsupported' where the server
 * has another model or scores in no known way, and as `askServer` and `local` do.
 */
export function openServerScorer(settings: Settings, parts: ScorerParts): ServerScorer {
  const { url, launch, serves, model, apiKeyFrom, concurrency } = settings;
  checkPlace('engine.scorer', url, launch);
  if (launch !== null) checkWords(launch);
  checkServes(url, serves);
  if (launch !== null) checkProgram('engine.scorer', launch);
  const apiKey = apiKeyOf('engine.scorer', apiKeyFrom, parts.env);
  const limit = limiter(concurrency);
  const ask = ({ locate }: Place, here: ProcessRewardModel) => {
    const requests = new ServerRequests({ ...settings, setting: 'engine.scorer', locate }, { ...parts, apiKey });
    return askServer({ requests, model: model ?? undefined }, here);
  };
  const placeOf = (source: ModelSource) =>
    launch === null ? placeAt(settings, source) : started(settings, source, parts);
  return {
    async openPrm(source) {
      const here = await parts.local.openPrm(source);
      const opened: AsyncDisposable[] = [here];
      try {
        const place = await placeOf(source);
        opened.unshift(place);
        return servedPrm(here, await ask(place, here), { limit, close: () => closeAll(opened) });
      } catch (error) {
        await closeAll(opened);
        throw error;
      }
    },
    async table() {
      if (serves === null) return [{ name: 'command', value: `${launch?.map(shellWord).join(' ')}, for each model` }];
      await using here = await parts.local.openPrm({ model: serves });
      const { facts } = await ask(placeAt(settings, { model: serves }), here);
      return [{ name: 'address', value: url ?? '' }, ...facts];
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function closeAll(opened: readonly AsyncDisposable[]): Promise<void> {
  for (const one of opened) await one[Symbol.asyncDispose]();
}

/** A server that has one model. */
function placeAt({ url, serves }: Settings, { model, adapter }: ModelSource): Place {
  const asked = adapter ?? model;
  if (resolve(serves ?? '') === resolve(asked))
    return { locate: async () => url ?? '', [Symbol.asyncDispose]: async () => undefined };
  throw new SipfError(
    'unsupported',
    `Expected the process reward model that ${url} has (${serves}), got ${asked}. Set engine.scorer.launch to start a server of each, or engine.scorer null to score here.`,
  );
}

/** A server of its own. */
async function started({ launch, startTimeout }: Settings, source: ModelSource, parts: ScorerParts): Promise<Place> {
  const command = launch ?? [];
  const files = await openPrmFiles(source, command, parts.local);
  const { places } = files;
  const server = new LaunchedServer({ setting: 'engine.scorer.launch', command, places, startTimeout }, parts);
  return {
    async locate(signal) {
      if (!server.isRunning) await parts.starts();
      return server.url(signal);
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await files[Symbol.asyncDispose]();
    },
  };
}

function checkServes(url: string | null, serves: string | null): void {
  if ((url === null) === (serves === null)) return;
  throw new SipfError(
    'bad-config',
    url === null
      ? `Expected engine.scorer.serves null for a server of launch, got ${serves}. Leave it out: each model has a server of its own.`
      : `Expected engine.scorer.serves with engine.scorer.url ${url}, got null. Name the folder of the process reward model that the server has.`,
  );
}
