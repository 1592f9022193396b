// Questions and a model -> graded answers, kept beside --out for a stopped evaluation.
import { existsSync } from 'node:fs';
import type { Policy } from '../../backend.ts';
import type { EngineOptions } from '../../backends/index.ts';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import { type Disk, replaceFile } from '../../io/files.ts';
import { type AnswerItem, answerUnit } from '../../method/evaluate.ts';
import { type BuildPrompt, makePrompter, type PromptOptions } from '../../method/prompt.ts';
import { unitsAtOnce } from '../../method/units-at-once.ts';
import type { Answer, Question } from '../../records.ts';
import { eachAtOnce } from '../../run/at-once.ts';
import { Journal } from '../../run/journal.ts';
import { addCounts, type StageOutput } from '../../run/units.ts';
import { GRADE_RETRIES, type Task } from '../../task.ts';
import { openEngine } from '../engine.ts';
import { type ModelOptions, modelSource, type SamplingFlags, type SandboxFlags } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { type BestOfOptions, checkScorers, type PathScoresBy, type RankWeights, scoreSamples } from './eval-best-of.ts';
import type { Asked } from './eval-questions.ts';

/** Questions that share the slots of the model. */
const UNIT = 64;

/** The options that answers, and the scores of samples, depend on. */
export interface AnswerOptions extends ModelOptions, SamplingFlags, Partial<SandboxFlags>, BestOfOptions {
  readonly engine: EngineOptions;
  readonly prompt: PromptOptions;
  readonly maxTokens?: number;
  /** Samples of each question; absent: the greedy answer alone. */
  readonly samples?: number;
  readonly seed: number;
  readonly out?: string;
}

interface AnswerAllArgs extends Asked {
  readonly task: Task;
  readonly options: AnswerOptions;
  /** Of the scorers of samples. */
  readonly weights: RankWeights;
  readonly disk: Disk;
}

export interface Answered {
  /** In the order of the questions. */
  readonly answers: readonly Answer[];
  readonly samples: readonly Answer[];
  readonly scores: PathScoresBy;
  /** Of this process: what an earlier one answered does not count, nor does opening the model. */
  readonly tokensPerSecond: number;
}

/** Answers every question that no earlier, stopped call of the same inputs has answered, and scores the samples. */
export async function answerAll(args: AnswerAllArgs, terminal: Terminal): Promise<Answered> {
  const { task, shots, options } = args;
  await using backend = await openEngine(options.engine, terminal);
  const source = modelSource(options);
  const openPolicy = () => backend.openPolicy(source);
  await checkScorers({ ...args, backend, source });
  const prompt = await makePrompter({ task, options: options.prompt, shots, openPolicy });
  const { records, tokensPerSecond } = await answerUnits({ ...args, prompt, openPolicy }, terminal);
  const answers = records.filter(isGreedy);
  const samples = records.filter((answer) => !isGreedy(answer));
  const scores = await scoreSamples({ ...args, samples, prompt, backend, source }, terminal);
  return { answers, samples, scores, tokensPerSecond };
}

interface AnswerUnitsArgs extends AnswerAllArgs {
  readonly prompt: BuildPrompt;
  readonly openPolicy: () => Promise<Policy>;
}

async function answerUnits(
  { prompt, openPolicy, ...args }: AnswerUnitsArgs,
  terminal: Terminal,
): Promise<{ readonly records: readonly Answer[]; readonly tokensPerSecond: number }> {
  const { task, split, questions, options } = args;
  await using policy = await openPolicy();
  const set = { task, split, prompt, questions };
  const kept = await openKept(args, policy.hash, terminal);
  const records = [...kept.records];
  using progress = terminal.progress({ title: `eval ${task.name}`, unit: 'questions', total: questions.length });
  const started = terminal.now();
  let [tokens, done] = [0, 0];
  const tell = (unit: Unit) => {
    done += unit.questions.length;
    progress.update(done, `${records.filter(isRightAndGreedy).length} right`);
  };
  async function* undone(): AsyncGenerator<Unit> {
    for (const unit of unitsOf(questions)) {
      throwIfAborted(terminal.signal);
      if (kept.has(unit.number)) tell(unit);
      else yield unit;
    }
  }
  await eachAtOnce(
    undone(),
    () => unitsAtOnce(policy.room, UNIT),
    async (unit) => {
      const items = unit.questions.map((question) => ({ set, question }));
      const output = await answersTo(items, policy, options, terminal.signal);
      await kept.add(output, unit.number);
      records.push(...output.records);
      tokens += output.counts['generatedTokens'] ?? 0;
      tell(unit);
    },
  );
  const order = new Map(questions.map(({ id }, n) => [id, n]));
  records.sort((a, b) => order.get(a.questionId)! - order.get(b.questionId)!);
  return { records, tokensPerSecond: tokens / Math.max(1e-3, (terminal.now() - started) / 1000) };
}

interface Unit {
  readonly number: number;
  readonly questions: readonly Question[];
}

function unitsOf(questions: readonly Question[]): Unit[] {
  return Array.from({ length: Math.ceil(questions.length / UNIT) }, (_, number) => ({
    number,
    questions: questions.slice(UNIT * number, UNIT * (number + 1)),
  }));
}

/** Writes all answers to `out`, the greedy ones first, and drops what was kept beside it. */
export async function writeAnswers(disk: Disk, out: string, { answers, samples }: Answered): Promise<void> {
  const lines = [...answers, ...samples].map((answer) => `${JSON.stringify(answer)}\n`);
  await replaceFile(disk, out, lines);
  await disk.remove(journalOf(out));
}

const isGreedy = ({ sample }: Answer) => sample === undefined;
const isRightAndGreedy = (answer: Answer) => isGreedy(answer) && answer.outcome.kind === 'right';
const journalOf = (out: string) => `${out}.journal`;

async function answersTo(
  items: readonly AnswerItem[],
  policy: Policy,
  { maxTokens, calculator, samples, temperature, topP, topK, seed }: AnswerOptions,
  signal: AbortSignal,
): Promise<StageOutput<Answer>> {
  const context = {
    policy,
    signal,
    options: { maxTokens: maxTokens ?? null, calculator, gradeRetries: GRADE_RETRIES },
  };
  const greedy = await answerUnit(items, context);
  if (samples === undefined) return greedy;
  const drawn = await answerUnit(items, { ...context, sampled: { count: samples, temperature, topP, topK, seed } });
  return { records: [...greedy.records, ...drawn.records], counts: addCounts(greedy.counts, drawn.counts) };
}

/** Units answered so far, and their answers. */
interface Kept {
  has(unit: number): boolean;
  readonly records: readonly Answer[];
  add(output: StageOutput<Answer>, unit: number): Promise<void>;
}

/** Without --out units are kept nowhere; a disk that refuses one in the middle costs the keeping, not the answers. */
async function openKept(
  { disk, weights: _unread, ...args }: AnswerAllArgs,
  policy: string,
  terminal: Terminal,
): Promise<Kept> {
  const { out } = args.options;
  if (out === undefined) {
    terminal.resumes('Nothing is kept without --out: the same command starts again.');
    return { has: () => false, records: [], add: async () => {} };
  }
  const path = journalOf(out);
  const journal = await Journal.open(disk, path, sha256(canonicalJson(inputsOf(args, policy))), existsSync(path));
  terminal.resumes('Finished answers are kept beside --out: the same command continues.');
  const records: Answer[] = [];
  for await (const unit of journal.outputs()) records.push(...(unit.records as readonly Answer[]));
  let refused = false;
  const add: Kept['add'] = async (output, unit) => {
    if (refused) return;
    try {
      await journal.add(output, unit);
    } catch (error) {
      if (!(error instanceof SipfError) || error.code !== 'write-failed') throw error;
      if (refused) return;
      refused = true;
      terminal.warn(`${error.message} Meanwhile the evaluation continues without keeping its answers.`);
    }
  };
  return { has: (unit) => journal.has(unit), records, add };
}

function inputsOf(args: Omit<AnswerAllArgs, 'disk' | 'weights'>, policy: string) {
  const { task, split, shots, questions, options } = args;
  const { prompt, maxTokens, calculator, samples, temperature, topP, topK, seed, sandbox, timeout } = options;
  const drawn = samples === undefined ? {} : { samples, temperature, topP, topK, seed };
  const grading = task.gradedBy === 'tests' ? { sandbox, timeout } : {};
  const answered = { prompt, maxTokens, calculator, ...drawn, ...grading };
  return { stage: 'eval', policy, task: task.name, split, shots, questions, ...answered };
}
