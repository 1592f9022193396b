// Functions of text and key -> a Backend without models, deterministic and resumable.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextEvents } from 'node:timers/promises';
import { resultSpans, writtenBehind } from '../arithmetic/calculator.ts';
import type {
  Backend,
  CallOptions,
  Completion,
  ContextPiece,
  DrawnToken,
  DrawOptions,
  GenerateRequest,
  GivenCompletion,
  GivenTokens,
  LogpsItem,
  ModelDescription,
  ModelInit,
  OnFinished,
  OpenedModel,
  PathTokens,
  Policy,
  ProcessRewardModel,
  ReadOptions,
  ReadToken,
  Serving,
  SharedDrawOptions,
  StepPath,
  TokenLogps,
  TrainJob,
  TrainResult,
  TrainStep,
  Vocabulary,
} from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { sha256 } from '../hashing.ts';
import { type Disk, nodeDisk, replaceFile } from '../io/files.ts';
import { createRandom, keyedUniform, type Random } from '../random.ts';
import type { ModelSource } from '../records.ts';

/** What a scripted policy sees when it writes. `skill` counts the trainings behind it. */
export interface WriteArgs {
  readonly prompt: string;
  /** Text after the prompt that it continues. */
  readonly prefix: string;
  /** Numbers of this request's key. At temperature 0 they are the same for every key. */
  readonly random: Random;
  readonly temperature: number;
  readonly skill: number;
}

export interface ScriptedOptions {
  /** The rest of the text. */
  readonly write: (args: WriteArgs) => string;
  /** P(step correct) of each step; absent: 0.5 throughout. A policy's hidden states hold it, too. */
  readonly score?: ((path: StepPath, skill: number) => number[]) | undefined;
  /** Requests that run at once; decides which completions finish together. */
  readonly slots?: number | undefined;
  readonly disk?: Disk | undefined;
  /** Called before every optimizer step and every completion; throws to simulate a failure there. */
  readonly onWork?: ((what: string) => void) | undefined;
}

interface Stored {
  readonly hash: string;
  readonly skill: number;
}

const CONTEXT = 4096;
const LAYERS = 4;
/** Numbers of a hidden state. */
const WIDTH = 4;

/**
 * A Backend whose texts, scores and weights are functions of their inputs: for tests, and to see the loop without a model. One character is one token.
 * @example
 * const backend = createScriptedBackend({ write: ({ random }) => `The answer is ${random.int(1, 9)}` });
 */
export function createScriptedBackend(options: ScriptedOptions): Backend {
  const disk = options.disk ?? nodeDisk;
  return {
    openPolicy: async (source) => new ScriptedPolicy(storedOf(source), options),
    openPrm: async (source) => new ScriptedPrm(storedOf(source), options),
    train: (job, onStep, call) => train(job, onStep, options, disk, call),
    describe: async (source) => descriptionOf(storedOf(source)),
    initModel: (out, init) => initModel(out, init, disk),
    async exportModel({ model }) {
      throw new SipfError('unsupported', `Expected a model with weights, got the scripted ${model}. Use a real model.`);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function descriptionOf({ hash }: Stored): ModelDescription {
  return {
    hash,
    architecture: 'scripted',
    parameters: 1000,
    contextLength: CONTEXT,
    hasChatTemplate: true,
    linearLayers: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj', 'lm_head'],
    warnings: [],
  };
}

/** A trained folder tells its own hash and skill; any other name is an untrained model of that name. */
function storedOf({ model, adapter }: ModelSource): Stored {
  const file = join(adapter ?? model, 'scripted.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Stored;
  if (adapter !== undefined) throw new SipfError('not-found', `Expected a scripted adapter in ${adapter}, got none.`);
  return { hash: sha256(`base ${model}`), skill: 0 };
}

/** What policies and PRMs share. A closed one refuses every question, as a model that has left its memory does. */
class ScriptedModel implements OpenedModel {
  readonly hash: string;
  readonly contextLength = CONTEXT;
  readonly warnings = [];
  readonly skill: number;
  readonly options: ScriptedOptions;
  #isOpen = true;

  constructor({ hash, skill }: Stored, options: ScriptedOptions) {
    this.hash = hash;
    this.skill = skill;
    this.options = options;
  }

  requireOpen(): void {
    if (!this.#isOpen) throw new Error(`The model ${this.hash} is closed.`);
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    this.requireOpen();
    return texts.map((text) => text.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
  }
}

/** A slot of the batch: `left` decode steps until the completion is told. */
interface Running {
  readonly completion: Completion;
  left: number;
}

class ScriptedPolicy extends ScriptedModel implements Policy, Serving {
  readonly layers = LAYERS;

  async vocabulary(): Promise<Vocabulary> {
    this.requireOpen();
    return {
      size: 0x110000,
      bos: null,
      eos: '\n',
      pad: null,
      leading: [],
      chatTemplate: '{{ messages }}',
    };
  }

  async decode(ids: readonly (readonly number[])[]): Promise<string[]> {
    this.requireOpen();
    return ids.map((some) => textOf([some]));
  }

  /** One character of each request a turn of the event loop. */
  async draw(requests: readonly GenerateRequest[], { signal, onTokens }: SharedDrawOptions = {}) {
    this.requireOpen();
    const completions = requests.map((request) => this.#write(request));
    for (let step = 0; step < Math.max(...completions.map(({ tokens }) => tokens)); step += 1) {
      await nextEvents();
      throwIfAborted(signal);
      onTokens?.(completions.flatMap((completion) => drawnAt(completion, step)));
    }
    return completions;
  }

  async readTokens(
    items: readonly Pick<LogpsItem, 'context' | 'completion'>[],
    { likeliest }: ReadOptions,
  ): Promise<ReadToken[][]> {
    const logps = await this.logps(items);
    return items.map(({ completion }, n) => {
      const pieces = typeof completion === 'string' ? [completion] : completion;
      const ids = pieces.flatMap((piece) => (typeof piece === 'string' ? idsOf(piece) : [piece]));
      return ids.map((token, place) => {
        const own = { token, logp: logps[n]?.[place] ?? 0 };
        return { ...own, likeliest: likeliest > 0 ? [own] : [] };
      });
    });
  }

  async generate(requests: readonly GenerateRequest[], onFinished: OnFinished, { signal, onText }: DrawOptions = {}) {
    this.requireOpen();
    const queue = [...requests];
    const slots = Array.from({ length: this.options.slots ?? 8 }, (): Running | null => null);
    const stats = { promptTokens: 0, generatedTokens: 0 };
    while (queue.length > 0 || slots.some((slot) => slot !== null)) {
      throwIfAborted(signal);
      for (const [at, slot] of slots.entries()) {
        const request = slot === null ? queue.shift() : undefined;
        if (request === undefined) continue;
        const completion = this.#write(request);
        stats.promptTokens += textOf(request.context).length;
        stats.generatedTokens += completion.tokens;
        slots[at] = { completion, left: Math.max(1, completion.tokens) };
      }
      const running = slots.filter((slot) => slot !== null);
      const soonest = Math.min(...running.map(({ left }) => left));
      for (const slot of running) slot.left -= soonest;
      const finished = running.filter(({ left }) => left === 0).map(({ completion }) => completion);
      for (const [at, slot] of slots.entries()) if (slot?.left === 0) slots[at] = null;
      onText?.(finished.map(({ id, text }) => ({ id, text })));
      queue.push(...(await onFinished(finished)));
    }
    return stats;
  }

  async encodeGiven(items: readonly LogpsItem[]): Promise<GivenTokens[]> {
    this.requireOpen();
    return items.map(({ context, completion, ended = false, calculator = false }) => {
      const text = completionText(completion);
      const logps = calculator
        ? withoutResults(
            Array.from(text, () => 0),
            text,
          )
        : [];
      const forced = logps.flatMap((logp, place) => (logp === null ? [place] : []));
      return { context: idsOf(textOf(context)), completion: idsOf(ended ? `${text}\n` : text), forced };
    });
  }

  async logps(items: readonly LogpsItem[]): Promise<TokenLogps[]> {
    this.requireOpen();
    this.options.onWork?.('logps');
    return items.map(({ context, completion, ended = false, calculator = false }) => {
      const text = completionText(completion);
      const number = keyedUniform(`${this.hash} ${textOf(context)} ${text}`);
      const logps = Array.from(ended ? `${text}\n` : text, (_, i) => -0.05 - number(i));
      return calculator ? withoutResults(logps, text) : logps;
    });
  }

  /** The first number of a layer is the step's score, the others are noise that depends on the text. */
  async stepStates(paths: readonly StepPath[], layers: readonly number[]): Promise<Float32Array[][]> {
    this.requireOpen();
    this.options.onWork?.('states');
    return paths.map((path) =>
      scoresOf(path, this).map((score, j) => {
        const text = path.prompt + path.steps.slice(0, j + 1).join('');
        const ofLayer = (layer: number) => {
          const number = keyedUniform(`${this.hash} ${layer} ${text}`);
          return [score, ...Array.from({ length: WIDTH - 1 }, (_, i) => number(i))];
        };
        return Float32Array.from(layers.flatMap(ofLayer));
      }),
    );
  }

  async encode(contexts: readonly (readonly ContextPiece[])[]): Promise<number[][]> {
    this.requireOpen();
    return contexts.map((pieces) => idsOf(textOf(pieces)));
  }

  async chatPrompt(messages: readonly { role: string; content: string }[]): Promise<string> {
    return `${messages.map(({ role, content }) => `<${role}>${content}</${role}>`).join('\n')}\n<assistant>`;
  }

  #write({ id, context, key, sampling }: GenerateRequest): Completion {
    this.options.onWork?.(`completion ${key}`);
    const { temperature, maxTokens, stopStrings = [], calculator = false, likeliest = 0, ends = false } = sampling;
    const { skill } = this;
    const [first = '', ...rest] = context;
    const [prompt, prefix] = [textOf([first]), textOf(rest)];
    const random = createRandom(temperature === 0 ? `greedy ${this.hash} ${textOf(context)}` : key);
    const written = this.options.write({ prompt, prefix, random, temperature, skill });
    const whole = calculator ? withResults(written) : written;
    const cut = Math.min(whole.length, ...stopStrings.map((stop) => whole.indexOf(stop)).filter((at) => at !== -1));
    const text = whole.slice(0, Math.min(cut, maxTokens));
    const number = keyedUniform(`logp ${key}`);
    const tokenIds = idsOf(text);
    const drawn = tokenIds.map((_, i) => -0.05 - number(i));
    const logps = calculator ? withoutResults(drawn, text) : drawn;
    const forced = logps.flatMap((logp, place) => (logp === null ? [place] : []));
    const finishReason = text.length < cut ? 'length' : 'stop';
    return {
      id,
      text,
      tokens: tokenIds.length,
      tokenIds,
      logps,
      ...(forced.length === 0 ? {} : { forced }),
      ...(likeliest === 0 ? {} : { likeliest: tokenIds.map((token, i) => [{ token, logp: drawn[i] ?? 0 }]) }),
      ...(ends ? { ends: endsOf(text) } : {}),
      finishReason,
    };
  }
}

class ScriptedPrm extends ScriptedModel implements ProcessRewardModel {
  async score(paths: readonly StepPath[]): Promise<number[][]> {
    this.requireOpen();
    this.options.onWork?.('score');
    return paths.map((path) => scoresOf(path, this));
  }

  async encodePaths(paths: readonly StepPath[]): Promise<PathTokens[]> {
    this.requireOpen();
    return paths.map(({ prompt, steps }) => {
      let end = idsOf(prompt).length - 1;
      return { ids: idsOf(prompt + steps.join('')), ends: steps.map((step) => (end += idsOf(step).length)) };
    });
  }
}

/** What a completion's token at one place adds. */
function drawnAt({ id, tokenIds, logps, likeliest }: Completion, place: number): DrawnToken[] {
  const token = tokenIds?.[place];
  if (token === undefined) return [];
  return [{ id, token, logp: logps?.[place] ?? null, text: textOf([[token]]), likeliest: likeliest?.[place] }];
}

function scoresOf(path: StepPath, { options, skill }: ScriptedModel): number[] {
  return options.score?.(path, skill) ?? path.steps.map(() => 0.5);
}

/** The text with each result as the calculator writes it, in place of what the script has up to `>>`. */
function withResults(script: string): string {
  let text = '';
  for (let at = 0; at < script.length; at += 1) {
    text += script.charAt(at);
    const result = writtenBehind(text);
    if (result === null) continue;
    text += result;
    const [replaced = ''] = /^[^<>\n]*>>/.exec(script.slice(at + 1)) ?? [];
    at += replaced.length;
  }
  return text;
}

/** null for the characters that the calculator wrote. */
function withoutResults(logps: readonly number[], text: string): TokenLogps {
  const spans = resultSpans(text);
  return logps.map((logp, at) => (spans.some(({ start, end }) => start <= at && at < end) ? null : logp));
}

function completionText(completion: GivenCompletion): string {
  const pieces = typeof completion === 'string' ? [completion] : completion;
  return pieces.map((piece) => textOf([typeof piece === 'string' ? piece : [piece]])).join('');
}

/** Of a character beyond 16 bits the length is 2. */
function endsOf(text: string): number[] {
  let end = 0;
  return Array.from(text, (character) => (end += character.length));
}

/** One character is one token. */
function idsOf(text: string): number[] {
  return [...text].map((character) => character.codePointAt(0) ?? 0);
}

function textOf(pieces: readonly ContextPiece[]): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : String.fromCodePoint(...piece))).join('');
}

async function train(
  job: TrainJob,
  onStep: (step: TrainStep) => void,
  { onWork }: ScriptedOptions,
  disk: Disk,
  call: CallOptions = {},
): Promise<TrainResult> {
  const { source, examples, options, out } = job;
  const { lora, learningRate, batchSize, epochs, maxSteps, seed } = options;
  const parent = storedOf(source);
  const lengths = examples.map((example) => JSON.stringify(example).length);
  const dropped = lengths.flatMap((length, index) => (length > options.maxLength * 40 ? [index] : []));
  const kept = examples.length - dropped.length;
  const steps = maxSteps ?? Math.max(1, Math.ceil((kept * epochs) / batchSize));
  // Of the options what every trainer has: a new option leaves the scripted models as they are.
  const hash = sha256(JSON.stringify({ parent, examples, lora, learningRate, batchSize, epochs, maxSteps, seed }));
  const number = keyedUniform(hash);
  const all = Array.from({ length: steps }, (_, i) => ({
    step: i,
    steps,
    loss: 1 / (i + 1) + 0.01 * number(i),
    gradNorm: number(i),
    learningRate,
    tokens: 10 * batchSize,
    metrics: {},
  }));
  await disk.makeFolder(out);
  const checkpoint = join(out, 'checkpoint.json');
  for (const step of all.slice(stepsDone(checkpoint, hash))) {
    throwIfAborted(call.signal);
    onWork?.(`step ${step.step + 1}`);
    onStep(step);
    if ((step.step + 1) % options.checkpointEverySteps === 0)
      await replaceFile(disk, checkpoint, [JSON.stringify({ hash, step: step.step + 1 })]);
  }
  await replaceFile(disk, join(out, 'scripted.json'), [JSON.stringify({ hash, skill: parent.skill + 1 })]);
  await disk.remove(checkpoint);
  const result = lora === null ? { model: out } : { model: source.model, adapter: out };
  return { source: result, hash, steps: all, dropped, tokens: all.reduce((sum, { tokens }) => sum + tokens, 0) };
}

/** Of a training that was stopped; one with other inputs counts for nothing. */
function stepsDone(checkpoint: string, hash: string): number {
  if (!existsSync(checkpoint)) return 0;
  const from = JSON.parse(readFileSync(checkpoint, 'utf8')) as { hash: string; step: number };
  return from.hash === hash ? from.step : 0;
}

async function initModel(out: string, init: ModelInit, disk: Disk): Promise<ModelDescription> {
  const stored = { hash: sha256(JSON.stringify(init)), skill: 0 };
  await disk.makeFolder(out);
  await replaceFile(disk, join(out, 'scripted.json'), [JSON.stringify(stored)]);
  return descriptionOf(stored);
}
