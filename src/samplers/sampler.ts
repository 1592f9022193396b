// What a kind of sampler elsewhere is: settings of `engine.sampler`, and how it draws a completion.
import { z } from 'zod';
import type { Backend, Completion, GenerateRequest, GivenTokens, Policy } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import type { ModelSource } from '../records.ts';
import type { Fact } from '../remote/fact.ts';
import type { Tried, Waits } from '../remote/server-requests.ts';
import { REQUESTS } from '../remote/server-settings.ts';

/** Settings that every kind has: which models it draws from, how many completions at a time, and how often it tries. */
export const SERVING = {
  serves: described(
    z.enum(['model', 'simulator']).default('model'),
    'Which model of the configuration the server has: its files are here, too, for lengths, templates and training. Set simulator where it only rolls out steps.',
  ),
  others: described(
    z.enum(['refuse', 'local', 'adapter']).default('refuse'),
    'What happens where another model is to draw, such as one trained here. Set local to draw from it in the own engine, adapter to load the adapters of each round at the server.',
  ),
  logps: described(
    z.enum(['server', 'local']).default('server'),
    'Where log-probabilities of given texts come from, where the server tells them. Set local where it computes in 16 bits and a loss compares them with those of training (DPO).',
  ),
  concurrency: described(
    z.number().int().positive().max(MOST.slots).default(32),
    'Requests at a time at each server. Raise it to what one batches.',
  ),
  retries: REQUESTS.retries,
};

/** Settings of a kind. */
export type Kind = z.ZodObject<typeof SERVING & { readonly kind: z.ZodLiteral<string> }, z.core.$ZodObjectConfig>;

/** What a sampler has of the place where it is opened. */
export interface SamplerParts extends Waits {
  /** Has the model's files: its tokenizer, lengths, templates, log-probabilities of given texts; and other models. */
  readonly local: Backend;
  /** Told once of each model that is not served. */
  readonly log: (message: string) => void;
  /** Where API keys are. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a kind has, beside that, of the model that it serves. */
export interface KindParts extends SamplerParts {
  /** Its files here. */
  readonly source: ModelSource;
}

/** A completion with what its prompt cost. */
export interface Drawn {
  readonly completion: Completion;
  readonly promptTokens: number;
}

/** A model at one server. What no further try changes is an error; nothing else is ever a completion. */
export interface ServedModel extends AsyncDisposable {
  /** Tokens; Infinity: as many as the model's files say. */
  readonly contextLength: number;
  /** `ids` is the request's context; `maxTokens` fits behind it. */
  draw(request: GenerateRequest, ids: readonly number[], signal: AbortSignal): Promise<Tried<Drawn>>;
  /** Log-probabilities of a completion's tokens; null: it does not tell them. */
  readonly logps: ((given: GivenTokens, signal: AbortSignal) => Promise<Tried<readonly number[]>>) | null;
}

/** A server, where models are. */
export interface Place extends AsyncDisposable {
  /** Its name in messages. */
  readonly name: string;
  /**
   * `here` is the same model by its files, `adapter` the folder of an adapter on top of the served one.
   * @throws SipfError where another model or tokenizer is there; 'unsupported' where it loads no such adapter.
   */
  open(here: Policy, adapter: string | null): Promise<ServedModel>;
  /** What it can, for people. @throws SipfError as `open` does. */
  table(here: Policy): Promise<readonly Fact[]>;
  /** Training begins here: what it can do without, it may give up until it is asked again. */
  release(): Promise<void>;
}

/** A kind of sampler: what a file of this folder says of it. */
interface SamplerFile<Settings extends Kind> {
  readonly settings: Settings;
  /** Servers of the same model. */
  readonly open: (settings: z.output<Settings>, parts: KindParts) => readonly Place[];
}

/** Settings as a library gives them: those that are absent have their defaults, and the model is named by its files. */
export type Given<Settings> = Settings extends z.ZodType
  ? Omit<z.input<Settings>, 'serves'> & { readonly serves: ModelSource }
  : never;

/** A kind as the list has it. */
export interface SamplerKind<Settings extends Kind> {
  readonly settings: Settings;
  /** @throws SipfError 'bad-input' where a setting is none of this kind's, and of the kind itself. */
  open(given: unknown, parts: KindParts): { readonly settings: z.output<Kind>; readonly places: readonly Place[] };
}

/** A kind whose `open` checks settings of unknown origin. */
export function defineSampler<Settings extends Kind>({ settings, open }: SamplerFile<Settings>): SamplerKind<Settings> {
  return {
    settings,
    open(given, parts) {
      const parsed = settings.safeParse(given);
      if (parsed.success) return { settings: parsed.data, places: open(parsed.data, parts) };
      const [issue] = parsed.error.issues;
      throw new SipfError(
        'bad-input',
        `Expected settings of a server as sampler, got ${issue?.path.join('.')}: ${issue?.message}. Correct them.`,
      );
    },
  };
}
