// The ports between the method and what executes models. The pipeline sees only these types.

import type { Objective } from './objectives/objectives.ts';
import type { ModelSource } from './records.ts';
import type { TrainSettings } from './train-settings.ts';

/** Text is tokenised piece by piece (the first piece with the tokenizer's BOS rule, the others as continuations); ids are used as given. */
export type ContextPiece = string | readonly number[];

/** A given completion: one text, ids as given, or texts that are tokenised on their own, as training and step scores read them. */
export type GivenCompletion = ContextPiece | readonly string[];

/** A completion whose log-probabilities are asked for. */
export interface LogpsItem {
  readonly context: readonly ContextPiece[];
  readonly completion: GivenCompletion;
  /** An end-of-text token follows and counts too, as in training. */
  readonly ended?: boolean | undefined;
  /** Results that a calculator would write were not drawn: their tokens have null. */
  readonly calculator?: boolean | undefined;
}

/** Token ids of an item, as `logps` reads it. */
export interface GivenTokens {
  readonly context: readonly number[];
  /** With the token that ends the text, where the item is `ended`. */
  readonly completion: readonly number[];
  /** Places in the completion that a calculator would write: they have no log-probability. */
  readonly forced: readonly number[];
}

export interface SamplingOptions {
  /** 0 is greedy. */
  readonly temperature: number;
  /** 1 is off. */
  readonly topP?: number;
  /** 0 is off. */
  readonly topK?: number;
  readonly maxTokens: number;
  /** Generation ends before the first of these appears in the text. */
  readonly stopStrings?: readonly string[];
  /** Do not stop at EOS (for parity tests). */
  readonly ignoreEos?: boolean;
  /** Behind `<<EXPRESSION=` in the completion its result and `>>` are written, not drawn (docs/method.md). A policy that cannot throws SipfError 'unsupported'. */
  readonly calculator?: boolean;
  /** How many of the likeliest tokens are told with each token, at most `MOST.likeliest`. 0 is off. An engine that cannot tell them leaves them out. */
  readonly likeliest?: number;
  /** Tell where each token's text ends. An engine that cannot leaves it out. */
  readonly ends?: boolean;
}

/** One completion to draw. Requests with equal leading context share its computation inside one call. */
export interface GenerateRequest {
  /** Opaque to the backend, returned with the completion. */
  readonly id: string;
  readonly context: readonly ContextPiece[];
  /** Random numbers are keyed by this text and the position: same key, same numbers, with anything else in the batch. */
  readonly key: string;
  readonly sampling: SamplingOptions;
}

/** Log-probabilities of tokens in order; null: a calculator wrote that token. */
export type TokenLogps = readonly (number | null)[];

/** A token that may stand at a place, and log P(token) there under the raw model. */
export interface LikelyToken {
  readonly token: number;
  readonly logp: number;
}

export interface Completion {
  readonly id: string;
  /** Stop strings and special tokens removed. */
  readonly text: string;
  /** Tokens that were drawn or written by a calculator; the one that ended the text counts. */
  readonly tokens: number;
  /** null: the engine does not tell them. */
  readonly tokenIds: readonly number[] | null;
  /** log P(token) under the raw model (temperature 1, no truncation of the distribution), null for a token that a calculator wrote. null: the engine does not tell them. */
  readonly logps: TokenLogps | null;
  /** Places of the tokens that a calculator wrote; absent: none. */
  readonly forced?: readonly number[] | undefined;
  /** The likeliest tokens at each place, the best first. Absent: not asked for. */
  readonly likeliest?: readonly (readonly LikelyToken[])[] | undefined;
  /** Length of the text behind each token: a character of several tokens is the last one's, and what ended the text has none. Absent: not asked for. */
  readonly ends?: readonly number[] | undefined;
  readonly finishReason: 'stop' | 'length';
}

/**
 * Called with each group of completions that finish at the same decode step, in slot order; returns further requests of the same unit.
 * The backend waits for the answer, so that the composition of every batch depends on nothing but the requests.
 */
export type OnFinished = (
  finished: readonly Completion[],
) => readonly GenerateRequest[] | Promise<readonly GenerateRequest[]>;

export interface GenerateStats {
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What one decode step added to a completion's text. */
export interface DrawnText {
  readonly id: string;
  readonly text: string;
}

export interface DrawOptions extends CallOptions {
  /**
   * Told after each decode step what it added; text that may be the start of a stop string, or half a character, waits. All texts of an id,
   * joined, are its completion's text.
   */
  readonly onText?: ((drawn: readonly DrawnText[]) => void) | undefined;
}

/** What one decode step added to a completion: a token, and the text that no stop string will take back. */
export interface DrawnToken extends DrawnText {
  readonly token: number;
  /** null: a calculator wrote the token. */
  readonly logp: number | null;
  readonly likeliest?: readonly LikelyToken[] | undefined;
}

export interface SharedDrawOptions extends CallOptions {
  /** Whose requests these are: callers share the slots evenly. */
  readonly caller?: string | undefined;
  /** Told after each decode step what it added to these requests. */
  readonly onTokens?: ((drawn: readonly DrawnToken[]) => void) | undefined;
}

/** A token of a given text. */
export interface ReadToken extends LikelyToken {
  /** The best first; as many as were asked for. */
  readonly likeliest: readonly LikelyToken[];
}

export interface ReadOptions extends CallOptions {
  /** How many of the likeliest tokens are told at each place. */
  readonly likeliest: number;
}

/** What a tokenizer says of itself. Texts are null where it has no such token. */
export interface Vocabulary {
  readonly size: number;
  readonly bos: string | null;
  readonly eos: string | null;
  readonly pad: string | null;
  /** Ids that stand before the beginning of a text. */
  readonly leading: readonly number[];
  readonly chatTemplate: string | null;
}

/** What a policy has for many callers at a time. */
export interface Serving {
  vocabulary(): Promise<Vocabulary>;
  /** The text of each list of ids, as a continuation. */
  decode(ids: readonly (readonly number[])[]): Promise<string[]>;
  /**
   * Draws these requests together with those of other calls, which come at any time; completions in the order of the requests. The signal ends
   * this call alone.
   */
  draw(requests: readonly GenerateRequest[], options?: SharedDrawOptions): Promise<Completion[]>;
  /** As `logps`, with the likeliest tokens at each place. */
  readTokens(items: readonly Pick<LogpsItem, 'context' | 'completion'>[], options: ReadOptions): Promise<ReadToken[][]>;
}

/** What every open model says of itself. */
export interface OpenedModel extends AsyncDisposable, Pick<ModelDescription, 'hash' | 'contextLength' | 'warnings'> {
  /** Token counts of texts (continuations, no BOS). */
  countTokens(texts: readonly string[]): Promise<number[]>;
}

/** What draws for several calls of `generate` at a time. */
export interface Room {
  readonly servers: number;
  /** That each server draws at a time. */
  readonly completions: number;
}

/** A model that writes. An engine that serves one caller at a time has nothing of `Serving`. */
export interface Policy extends OpenedModel, Partial<Serving> {
  /** Absent: calls of `generate` come one at a time. */
  readonly room?: Room | undefined;
  /** One unit of work: starts with empty slots, ends when no request is left. */
  generate(requests: readonly GenerateRequest[], onFinished: OnFinished, options?: DrawOptions): Promise<GenerateStats>;
  /** Token ids of contexts, as `generate` reads them. */
  encode(contexts: readonly (readonly ContextPiece[])[]): Promise<number[][]>;
  /** Raw log-probabilities of given completions, `[completion tokens]` each. */
  logps(items: readonly LogpsItem[], options?: CallOptions): Promise<TokenLogps[]>;
  /** Token ids of items, as `logps` reads them: another engine may then compute theirs. Absent: this one alone can. */
  encodeGiven?(items: readonly LogpsItem[]): Promise<GivenTokens[]>;
  /** How many layers it has, 1 .. layers. Absent, as `stepStates` is: the engine tells no hidden states. */
  readonly layers?: number | undefined;
  /**
   * Hidden states at each step's last token, `[path][step]` with those of `layers` in that order, `[layers · hidden]`: what leaves a layer,
   * the last one behind the final norm. A path beyond the context length is an error naming its index.
   */
  stepStates?(paths: readonly StepPath[], layers: readonly number[], options?: CallOptions): Promise<Float32Array[][]>;
  /**
   * The prompt text of a conversation in the model's own chat template, ending where the assistant begins: the first piece of a context. A BOS that
   * the tokenizer writes before such a piece is left out.
   */
  chatPrompt(messages: readonly { role: 'system' | 'user' | 'assistant'; content: string }[]): Promise<string>;
}

/** A path as a model reads it step by step: each step text includes its separator. */
export interface StepPath {
  readonly prompt: string;
  readonly steps: readonly string[];
}

/** A path in token ids. */
export interface PathTokens {
  readonly ids: readonly number[];
  /** Places of the steps' last tokens, where scores are read. */
  readonly ends: readonly number[];
}

/** A model that scores steps. */
export interface ProcessRewardModel extends OpenedModel {
  /** P(step correct) of each step, read at the step's last token. A path beyond the context length is an error naming its index. */
  score(paths: readonly StepPath[], options?: CallOptions): Promise<number[][]>;
  /** Token ids of paths, with the errors of `score`, as it reads them: another engine may then compute their scores. Absent: this one alone can. */
  encodePaths?(paths: readonly StepPath[]): Promise<PathTokens[]>;
}

/** Texts are pieces tokenised on their own, so that every step ends at a token; EOS is added after the last piece where `eos` is set. */
export interface SftExample {
  readonly kind: 'sft';
  readonly prompt: string;
  readonly completion: readonly string[];
}
export interface PrmExample {
  readonly kind: 'prm';
  readonly prompt: string;
  readonly steps: readonly string[];
  /** One target in [0, 1] a step; null: no loss there. */
  readonly targets: readonly (number | null)[];
}
export interface PreferenceExample {
  readonly kind: 'preference';
  readonly prompt: string;
  /** What both sides begin with: context, as the prompt is. */
  readonly shared?: readonly string[] | undefined;
  readonly chosen: readonly string[];
  /** null: an NLL-only row. */
  readonly rejected: readonly string[] | null;
  /** The reference policy's log-probabilities of both paths, EOS included: for objectives that need them. */
  readonly reference?: { readonly chosen: number; readonly rejected: number } | undefined;
}
export type TrainExample = SftExample | PrmExample | PreferenceExample;

export type LoraOptions = NonNullable<TrainSettings['lora']>;

/** As a stage's section of the configuration, but for what ends the training: `epochs`, or optimizer steps where given. */
export interface TrainOptions extends Omit<TrainSettings, 'tokens' | 'maxSteps'> {
  readonly objective: Objective;
  /** false: in completions, tokens of results that a calculator would write carry no loss. Absent: they do. */
  readonly calculatorLoss?: boolean | undefined;
  readonly maxSteps?: number | undefined;
  /** Examples of one forward pass, in order, of any length: the microbatch of ORPO's `normalise: microbatch`. Absent: as many as fit. */
  readonly examplesPerPass?: number | undefined;
  readonly seed: number;
  /** false: the order as listed (parity tests). */
  readonly shuffle: boolean;
}

export interface TrainJob {
  /** Weights to start from. With `adapter`: a LoRA run continues it; a full run merges it first. */
  readonly source: ModelSource;
  readonly examples: readonly TrainExample[];
  readonly options: TrainOptions;
  /** Folder to write: a Hugging Face folder (full) or a PEFT adapter (LoRA); resumes from its checkpoint where one is there. */
  readonly out: string;
}

export interface TrainStep {
  /** 0-based. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Real tokens (no padding) run through the model in this step. */
  readonly tokens: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The whole training, the steps before a resume included: a resumed run and an uninterrupted one give equal results. */
export interface TrainResult {
  /** As given in TrainJob for LoRA (model + out as adapter), or `out` itself as a model. */
  readonly source: ModelSource;
  readonly hash: string;
  readonly steps: readonly TrainStep[];
  /** Indices into `examples` that were longer than maxLength. */
  readonly dropped: readonly number[];
  readonly tokens: number;
}

/** What a model's files say, without running it. */
export interface ModelDescription {
  /** Checkpoint hash of weights and adapter. */
  readonly hash: string;
  readonly architecture: string;
  readonly parameters: number;
  /** Bytes of its weights in memory. Absent: four a parameter. */
  readonly weightBytes?: number;
  readonly contextLength: number;
  readonly hasChatTemplate: boolean;
  /** Last parts of the names of its linear layers: what `lora.targets` may name. */
  readonly linearLayers: readonly string[];
  /** What the user should know of the model's files, though they can be used: log it once. */
  readonly warnings: readonly string[];
}

/** A model to make from nothing: random weights that depend on `seed` alone. */
export interface ModelInit {
  /** A Hugging Face config, of a Llama unless `model_type` says another; `vocab_size` and token ids that it lacks come from the tokenizer. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The parsed tokenizer.json. */
  readonly tokenizer: object;
  /** The parsed tokenizer_config.json: names of the special tokens. */
  readonly tokenizerConfig?: object | undefined;
  readonly seed: number;
}

/** Forms of a model that other programs read: a PEFT adapter, one Hugging Face folder, llama.cpp's files, and a process reward model as a causal LM. */
export const EXPORT_KINDS = ['peft', 'merged', 'gguf', 'gguf-lora', 'prm-lm'] as const;

/** Number types of exported weights. */
export const EXPORT_DTYPES = ['f32', 'f16', 'bf16', 'q8_0'] as const;

/** A model in another form. */
export interface ModelExport {
  readonly to: (typeof EXPORT_KINDS)[number];
  /** The folder to write, or the file (gguf, gguf-lora): there once it is whole. */
  readonly out: string;
  /** How a PEFT adapter names its base: a hub id or a path; absent: the model's own hub id. */
  readonly base?: string | undefined;
  /**
   * How weights are stored; q8_0 in GGUF files alone. Absent: f16 in a GGUF file, f32 of a process reward model, else as the model's
   * configuration says.
   */
  readonly dtype?: (typeof EXPORT_DTYPES)[number] | undefined;
  /** Text of README.md, where the form is a folder. */
  readonly card: string;
}

/** Opens models that write. */
export interface Sampler extends AsyncDisposable {
  openPolicy(source: ModelSource): Promise<Policy>;
}

/** Opens models that score steps. */
export interface Scorer extends AsyncDisposable {
  openPrm(source: ModelSource): Promise<ProcessRewardModel>;
}

/** Trains models. */
export interface Trainer extends AsyncDisposable {
  /**
   * Looks at what a training needs, hours before one begins, and trains nothing. Gives what the user should know. Absent: nothing can be missing.
   * @throws SipfError 'provider-unavailable' where a training would fail.
   */
  checkTraining?(options?: CallOptions): Promise<readonly string[]>;
  train(job: TrainJob, onStep: (step: TrainStep) => void, options?: CallOptions): Promise<TrainResult>;
}

/** Knows model folders, and makes new ones. */
export interface ModelStore extends AsyncDisposable {
  describe(source: ModelSource): Promise<ModelDescription>;
  /** Writes a Hugging Face folder (config.json, model.safetensors, tokenizer.json) to `out`. */
  initModel(out: string, init: ModelInit, options?: CallOptions): Promise<ModelDescription>;
  /** Writes a model in another form. Gives what the user should know of it. */
  exportModel(source: ModelSource, job: ModelExport, options?: CallOptions): Promise<readonly string[]>;
}

/** What a run needs: this process, a worker thread, or parts that `composeBackends` takes from several places. */
export interface Backend extends Sampler, Scorer, Trainer, ModelStore {}
