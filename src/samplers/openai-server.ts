// A server and the files of its model -> a model that draws there, and reads given texts.
import type { ContextPiece, GivenTokens, Policy } from '../backend.ts';
import { messageOf, SipfError } from '../errors.ts';
import { hash32 } from '../random.ts';
import type { Fact } from '../remote/fact.ts';
import type { PathMapping } from '../remote/paths.ts';
import {
  type Reply,
  type ServerOptions,
  type ServerParts,
  ServerRequests,
  type Tried,
} from '../remote/server-requests.ts';
import { PROBE_TEXT } from '../remote/server-tokens.ts';
import { NEVER } from '../remote/stopper.ts';
import { type LoadedAdapter, ServedAdapters } from './adapters.ts';
import {
  type Capabilities,
  type GivenWay,
  givenLogps,
  HOT,
  type Probed,
  probe,
  refused,
  type SeedUse,
} from './capabilities.ts';
import { type Answer, completionsOf, readAnswer } from './completions.ts';
import { fieldsOf } from './dialects.ts';
import type { SamplerParts, ServedModel } from './sampler.ts';

interface Settings extends ServerOptions, Pick<Probed, 'model' | 'dialect' | 'prompts' | 'perRequest'> {
  readonly others: 'refuse' | 'local' | 'adapter';
  readonly paths: PathMapping | null;
  /** Whether the server is ended for now. */
  readonly isEnded: () => boolean;
}

type Parts = ServerParts & Pick<SamplerParts, 'log'>;

/** A model at the server: its name there, and for an adapter how it is loaded. */
interface Named {
  readonly model: string;
  readonly adapter: LoadedAdapter | null;
}

/** Of a request, but for the model; `n` completions are asked for. */
interface Fields {
  readonly n?: number;
  readonly [name: string]: unknown;
}

/** One server, for all models that are drawn from it. */
export class OpenAiServer {
  readonly #settings: Settings;
  readonly #requests: ServerRequests;
  readonly #adapters: ServedAdapters;
  readonly #log: Parts['log'];
  #table: Promise<Capabilities> | null = null;

  constructor(settings: Settings, { log, ...parts }: Parts) {
    const { model, paths, isEnded } = settings;
    this.#settings = settings;
    this.#log = log;
    this.#requests = new ServerRequests(settings, parts);
    this.#adapters = new ServedAdapters({ requests: this.#requests, model, paths, log, isEnded });
  }

  /** @throws SipfError 'bad-config' where it has another model or tokenizer; 'unsupported' where it loads no such adapter; 'unreachable'. */
  async open(here: Policy, folder: string | null): Promise<ServedModel> {
    const { software, dialect, contextLength, given } = await this.#ask(here);
    const { prompts, others, model } = this.#settings;
    if (others === 'adapter') await this.#adapters.ready(NEVER);
    const adapter = folder === null ? null : await this.#adapters.open(folder, here.hash, NEVER);
    // Several requests for log-probabilities of prompts under an adapter at a time end vLLM 0.32 on a processor.
    const reads = adapter !== null && software === 'vllm' ? null : given;
    const named = { model: adapter?.model ?? model, adapter };
    return {
      contextLength: contextLength ?? Number.POSITIVE_INFINITY,
      draw: async (requests, ids, signal) => {
        const [{ context, key, sampling }] = requests;
        const prompt = prompts === 'ids' ? ids : textOf(context);
        const fields = { prompt, ...fieldsOf(dialect, sampling, hash32(key) >>> 1), n: requests.length };
        const tried = await this.#complete(named, fields, signal);
        if (!('answer' in tried)) return tried;
        const promptTokens = tried.answer.usage?.prompt_tokens ?? ids.length;
        const names = requests.map(({ id }) => id);
        const completions = completionsOf(names, tried.answer, sampling.stopStrings);
        return {
          answer: completions.map((completion, n) => ({ completion, promptTokens: n === 0 ? promptTokens : 0 })),
        };
      },
      logps: reads && ((tokens, signal) => this.#logps(named, reads, tokens, signal)),
      [Symbol.asyncDispose]: async () => adapter?.[Symbol.asyncDispose](),
    };
  }

  /** @throws SipfError as `open` does. */
  async table(here: Policy): Promise<readonly Fact[]> {
    const table = await this.#ask(here);
    const says = (error: unknown) => messageOf(error).replace(/\. Start .*/s, '');
    const adapters = await this.#adapters.find(NEVER).then(({ prefix }) => `${prefix}/load_lora_adapter`, says);
    return factsOf(table, this.#settings.prompts, adapters);
  }

  async #logps(
    named: Named,
    way: GivenWay,
    { context, completion }: GivenTokens,
    signal: AbortSignal,
  ): Promise<Tried<readonly number[]>> {
    const prompt = [...context, ...completion];
    const tried = await this.#complete(named, { prompt, temperature: 0, seed: 0, ...way.fields }, signal);
    if (!('answer' in tried)) return tried;
    const logps = givenLogps(way, tried.answer, prompt);
    if (logps !== null) return { answer: logps.slice(context.length - 1) };
    throw this.#refusal(`log-probabilities of fewer than its ${prompt.length} tokens`);
  }

  /** One try. A server that was restarted, or that another process took it from, has lost the adapter: it is loaded again. */
  async #complete({ model, adapter }: Named, fields: Fields, signal: AbortSignal): Promise<Tried<Answer>> {
    const request = { path: '/v1/completions', body: { model, ...fields } };
    const isLost = (reply: Reply) => adapter !== null && hasNoModel(reply);
    const read = (reply: Reply): Tried<Answer | null> =>
      isLost(reply) ? { answer: null } : readAnswer(reply, (got) => this.#refusal(got), fields.n);
    for (let time = 1; ; time += 1) {
      const loads = adapter?.loads ?? 0;
      const tried = await this.#requests.try(request, read, signal);
      if (!('answer' in tried)) return tried;
      if (tried.answer !== null) return { answer: tried.answer };
      if (time === 2) return { problem: `no model ${model}, which was loaded again` };
      await adapter?.again(loads, signal);
    }
  }

  /** Once; again where that failed. */
  #ask(here: Policy): Promise<Capabilities> {
    const { model, dialect, prompts, perRequest } = this.#settings;
    const probed: Probed = { requests: this.#requests, model, dialect, prompts, perRequest, signal: NEVER };
    const ask = async () => {
      const [ids = []] = await here.encode([[PROBE_TEXT]]);
      const table = await probe(probed, ids);
      if (table.seeds === 'one text') {
        const address = this.#requests.addressOf('/v1/completions');
        this.#log(
          `Warning: ${address} gave one text for three seeds at temperature ${HOT.temperature}: samples of a question would be equal.`,
        );
      }
      return table;
    };
    this.#table ??= ask().catch((error: unknown) => {
      this.#table = null;
      throw error;
    });
    return this.#table;
  }

  #refusal(got: string): SipfError {
    return refused({ requests: this.#requests, model: this.#settings.model }, got);
  }
}

const SEEDS: Readonly<Record<SeedUse, string>> = {
  heard: 'a seed gives its text again',
  'not heard': 'a seed gives another text each time',
  'one text': 'all seeds give one text: it does not sample',
};

function factsOf(table: Capabilities, prompts: 'ids' | 'text', adapters: string): readonly Fact[] {
  const { software, models, contextLength, dialect, tokenIds, logps, tokenizer, given, seeds } = table;
  const told = (is: boolean) => (is ? 'told' : 'not told');
  return [
    { name: 'server', value: `${software}, asked as ${dialect}, prompts as ${prompts}` },
    { name: 'models', value: models?.join(', ') ?? 'not listed' },
    { name: 'context length', value: contextLength === null ? 'not told' : `${contextLength} tokens` },
    { name: 'tokenizer', value: tokenizer === null ? 'not told' : `equal by ${tokenizer} of a text` },
    { name: 'drawn tokens', value: `ids ${told(tokenIds)}, log-probabilities ${told(logps)}` },
    { name: 'seeds', value: SEEDS[seeds] },
    { name: 'given texts', value: given === null ? 'log-probabilities are computed here' : `read by ${given.name}` },
    { name: 'adapters', value: adapters },
  ];
}

/** vLLM and sipf serve say so by 404, SGLang by 400. */
function hasNoModel({ status, said }: Reply): boolean {
  return status === 404 || (status === 400 && /lora/i.test(said));
}

function textOf(context: readonly ContextPiece[]): string {
  const texts = context.filter((piece) => typeof piece === 'string');
  if (texts.length === context.length) return texts.join('');
  throw new SipfError(
    'unsupported',
    'Expected prompts of text for engine.sampler.prompts text, got token ids. Set engine.sampler.prompts ids.',
  );
}
