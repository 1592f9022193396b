// Paths and seeded outcomes -> what a labelled step costs in tokens, against the naive way.
import type { Completion, ContextPiece, GenerateRequest, GenerateStats, OnFinished, Policy } from '#sipf/backend.js';
import { keyedNumber } from '#sipf/hashing.js';
import type { QuestionPaths } from '#sipf/method/context-length.js';
import { labelUnit } from '#sipf/method/label.js';
import { LabelOptions } from '#sipf/method/label-options.js';
import { hardLabels } from '#sipf/method/step-labels.js';
import { createRandom } from '#sipf/random.js';
import type { Question, Sample, StepLabels } from '#sipf/records.js';
import type { Task } from '#sipf/task.js';

interface LabelledStepCost {
  /** Naive model tokens over ours. */
  readonly costRatio: number;
  /** Mean chance of a rollout to be right over the trace's steps. */
  readonly meanP: number;
  readonly labelledSteps: number;
  readonly naiveTokensPerStep: number;
  readonly tokensPerStep: number;
}

const QUESTIONS = 24;
const PATHS = 8;
const K = 8;
/** Questions of one unit of work, as the loop has them. */
const UNIT = 8;

/**
 * The cost with a mean rollout success near `p`. One character is one token here: 60 to 100 a question, 15 to 35 a step. Naive: every rollout
 * of every step reads question and prefix again and runs to its end.
 * @throws Error where the labels differ.
 */
export async function labelledStepCost(p: number): Promise<LabelledStepCost> {
  const trace = makeTrace(p);
  const ours = await labelAll(trace, 'first-success');
  const naive = await labelAll(trace, 'full');
  const rule = { delta: 0, closure: 'monotone', ownWitness: false } as const;
  const labels = (records: readonly StepLabels[]) => JSON.stringify(records.map((record) => hardLabels(record, rule)));
  if (labels(ours.records) !== labels(naive.records))
    throw new Error('The scan and the full rollouts gave different labels.');
  const labelledSteps = trace.items.reduce(
    (sum, { samples }) => sum + samples.reduce((n, { steps }) => n + steps.length - 1, 0),
    0,
  );
  const tokens = ours.stats.promptTokens + ours.stats.generatedTokens;
  return {
    costRatio: naive.recomputedTokens / tokens,
    meanP: trace.meanP,
    labelledSteps,
    naiveTokensPerStep: naive.recomputedTokens / labelledSteps,
    tokensPerStep: tokens / labelledSteps,
  };
}

interface Trace {
  readonly items: readonly QuestionPaths[];
  /** Chance of a rollout to be right, by the text it continues. */
  readonly chances: ReadonlyMap<string, number>;
  readonly meanP: number;
}

/** Paths that start at a chance of their own around `p` and, after a first error at a random step, seldom recover. */
function makeTrace(p: number): Trace {
  const raw: { text: string; chance: number }[] = [];
  const items = Array.from({ length: QUESTIONS }, (_, q): QuestionPaths => {
    const question: Question = {
      id: `q${q}`,
      task: 'trace',
      question: letters(60 + at(40, q, 'question'), `question ${q}`),
      answer: 'R',
    };
    const samples = Array.from({ length: PATHS }, (_path, index) => samplePath(question, index, raw));
    return { question, samples };
  });
  // The errors pull the mean down: scale the chances until it is p.
  let scale = 1;
  const chance = (value: number) => Math.min(0.98, value * scale * p);
  const mean = () => raw.reduce((sum, step) => sum + chance(step.chance), 0) / raw.length;
  for (let round = 0; round < 50; round += 1) scale *= p / mean();
  return { items, chances: new Map(raw.map((step) => [step.text, chance(step.chance)])), meanP: mean() };
}

function samplePath(question: Question, index: number, raw: { text: string; chance: number }[]): Sample {
  const id = `${question.id}/1/${index}`;
  const steps = Array.from({ length: 3 + at(4, id, 'steps') }, (_, j) => letters(15 + at(20, id, j), `${id} ${j}`));
  const start = 0.4 + 1.2 * keyedNumber('trace', id, 'start');
  const isRight = keyedNumber('trace', id, 'right') < 0.35;
  const error = isRight ? steps.length : at(steps.length, id, 'error');
  for (let j = 0; j < steps.length - 1; j += 1) {
    const text =
      question.question +
      steps
        .slice(0, j + 1)
        .map((step) => `${step}\n`)
        .join('');
    raw.push({ text, chance: j < error ? start : 0.1 * start });
  }
  return {
    id,
    questionId: question.id,
    source: 'policy',
    iteration: 1,
    index,
    policy: 'trace',
    steps,
    finishReason: 'stop',
    tokens: 0,
    sumLogp: null,
    extracted: null,
    outcome: isRight ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
  };
}

function at(below: number, ...key: readonly (string | number)[]): number {
  return Math.floor(below * keyedNumber('trace', ...key));
}

/** Text of `length` characters that no other key has. */
function letters(length: number, key: string): string {
  const random = createRandom(`trace ${key}`);
  return Array.from({ length }, () => String.fromCharCode(97 + Math.floor(26 * random.next()))).join('');
}

const traceTask: Task = {
  name: 'trace',
  maxTokens: 400,
  stopStrings: [],
  gradedBy: 'answer',
  instruction: '',
  load: async () => [],
  prompt: ({ question }) => question,
  pieces: (steps) => steps.map((step) => `${step}\n`),
  split: (text) => text.split('\n'),
  grade: (_question, text) => ({
    extracted: text.at(-1) ?? null,
    outcome: text.endsWith('R') ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
  }),
  distinct: (paths) => paths.map((_, index) => index),
  equationsHold: () => null,
};

async function labelAll({ items, chances }: Trace, mode: LabelOptions['mode']) {
  const policy = new TracePolicy(chances);
  const context = {
    simulator: policy,
    task: traceTask,
    prompt: traceTask.prompt,
    options: LabelOptions.parse({ K, mode, lookahead: 1 }),
    seed: 0,
    iteration: 1,
  };
  const records: StepLabels[] = [];
  for (let from = 0; from < items.length; from += UNIT) {
    records.push(...(await labelUnit(items.slice(from, from + UNIT), context)).records);
  }
  return { records, stats: policy.stats, recomputedTokens: policy.recomputedTokens };
}

/** Ends each rollout right or wrong as the trace says. Counts tokens as an engine that computes no prefix twice within a unit, and as one that always does. */
class TracePolicy implements Policy {
  readonly hash = 'trace';
  readonly contextLength = 4096;
  readonly warnings = [];
  readonly stats = { promptTokens: 0, generatedTokens: 0 };
  recomputedTokens = 0;
  readonly #chances: ReadonlyMap<string, number>;

  constructor(chances: ReadonlyMap<string, number>) {
    this.#chances = chances;
  }

  async encode(): Promise<number[][]> {
    throw new Error('A trace has no tokenizer.');
  }

  async generate(requests: readonly GenerateRequest[], onFinished: OnFinished): Promise<GenerateStats> {
    const computed = new Set<string>();
    const queue = [...requests];
    for (let request = queue.shift(); request !== undefined; request = queue.shift()) {
      const completion = this.#write(request);
      const { tokens: length } = completion;
      this.stats.promptTokens += newTokens(request.context, computed);
      this.stats.generatedTokens += length;
      this.recomputedTokens += textOf(request.context).length + length;
      queue.push(...(await onFinished([completion])));
    }
    return this.stats;
  }

  #write({ id, context, key }: GenerateRequest): Completion {
    const chance = this.#chances.get(textOf(context)) ?? 0;
    const steps = 1 + at(3, key, 'steps');
    const text = `${letters(25 * steps, key)}${keyedNumber('outcome', key) < chance ? 'R' : 'W'}`;
    const tokenIds = Array.from({ length: text.length }, () => 0);
    return { id, text, tokens: text.length, tokenIds, logps: tokenIds, finishReason: 'stop' };
  }

  async logps(): Promise<number[][]> {
    return [];
  }

  async chatPrompt(): Promise<string> {
    return '';
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return texts.map(({ length }) => length);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function textOf(context: readonly ContextPiece[]): string {
  return context.join('');
}

/** Tokens of the pieces behind the longest prefix that is in `computed` already. */
function newTokens(context: readonly ContextPiece[], computed: Set<string>): number {
  let [text, tokens] = ['', 0];
  for (const piece of context) {
    text += String(piece);
    if (computed.has(text)) continue;
    computed.add(text);
    tokens += piece.length;
  }
  return tokens;
}
