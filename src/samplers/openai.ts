// A server that speaks POST /v1/completions: its settings -> what draws from it.
import { z } from 'zod';
import type { Policy } from '../backend.ts';
import { described } from '../described.ts';
import { LaunchedServer } from '../remote/launched-server.ts';
import { PathMapping } from '../remote/paths.ts';
import {
  Address,
  API_KEY_FROM,
  apiKeyOf,
  checkPlace,
  checkProgram,
  REQUESTS,
  START_TIMEOUT,
} from '../remote/server-settings.ts';
import { DIALECTS } from './dialects.ts';
import { OpenAiServer } from './openai-server.ts';
import { defineSampler, type KindParts, type Place, SERVING } from './sampler.ts';

const Settings = z.strictObject({
  kind: described(
    z.literal('openai'),
    'A server with the OpenAI completions interface. Set it for vLLM, llama.cpp and others that have it.',
  ),
  url: described(
    z
      .union([Address, z.array(Address).min(1)])
      .nullable()
      .default(null),
    'Its address up to and with the version, such as http://localhost:8000/v1. null: the server of `launch`. Every other server needs one; a list names several that have the same model.',
  ),
  launch: described(
    z.array(z.string()).min(1).nullable().default(null),
    'The words of a command that starts the server, in place of `url`: {port} is a free port, {model} the files of the model, {name} its name there. null: the server runs already. Set it where the server shares this machine.',
  ),
  release: described(
    z.enum(['never', 'training']).default('never'),
    'When a server of `launch` is ended until it is needed again. Set training where training, or a server of `engine.scorer`, uses the same GPU.',
  ),
  startTimeout: START_TIMEOUT,
  model: described(z.string().min(1), 'The name that the server has for the model. Every server needs one.'),
  ...SERVING,
  dialect: described(
    z.enum(['auto', ...DIALECTS]).default('auto'),
    'Which fields beyond the standard the server knows: token ids, top-k, no penalties. auto: a first request tells. Set one where that guess is wrong.',
  ),
  prompts: described(
    z.enum(['ids', 'text']).default('ids'),
    'How prompts are sent. ids: exactly the tokens of the own tokenizer. Set text where the server takes no token ids.',
  ),
  timeout: REQUESTS.timeout,
  paths: described(
    PathMapping.nullable().default(null),
    'Where the server sees the adapters of a run. null: at the same path as this machine. Set it where the server is in a container or on another machine.',
  ),
  apiKeyFrom: API_KEY_FROM,
});

/** Calls of the model throw SipfError 'unreachable' where the server fails, 'bad-config' where it refuses or has another model. */
export const openai = defineSampler({
  settings: Settings,
  open(settings, parts): Place[] {
    const { url, launch, apiKeyFrom } = settings;
    checkPlace('engine.sampler', url, launch);
    const apiKey = apiKeyOf('engine.sampler', apiKeyFrom, parts.env);
    if (launch !== null) {
      checkProgram('engine.sampler', launch);
      return [placeOf(settings, { ...parts, apiKey }, null)];
    }
    return [...new Set([url ?? []].flat())].map((one) => placeOf(settings, { ...parts, apiKey }, one));
  },
});

/** `url` null: the server of `launch`. */
function placeOf(
  settings: z.output<typeof Settings>,
  parts: KindParts & { apiKey: string | null },
  url: string | null,
) {
  const { launch, model: name, startTimeout, release } = settings;
  const { model } = parts.source;
  const launched =
    launch &&
    new LaunchedServer(
      { setting: 'engine.sampler.launch', command: launch, places: { model, name }, startTimeout },
      parts,
    );
  const locate = async (signal: AbortSignal) => launched?.url(signal) ?? url ?? '';
  const isEnded = () => launched !== null && !launched.isRunning;
  const server = new OpenAiServer({ ...settings, setting: 'engine.sampler', locate, isEnded }, parts);
  return {
    name: url ?? 'engine.sampler.launch',
    open: (here: Policy, adapter: string | null) => server.open(here, adapter),
    table: (here: Policy) => server.table(here),
    release: async () => (release === 'training' ? launched?.stop() : undefined),
    [Symbol.asyncDispose]: async () => launched?.stop(),
  };
}
