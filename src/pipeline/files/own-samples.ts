// JSONL of samples, the loop's or written by hand -> whole Samples and their questions.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { check } from '../../io/check.ts';
import { AnyRecord, RecordId, type Row, readAllRows, TextOrNumber } from '../../io/jsonl.ts';
import { CodeTests, type Outcome, type Question, Sample } from '../../records.ts';
import { questionKey } from '../../same-question.ts';
import { gradeWithRetries, type Task, taskOf } from '../../task.ts';
import { answerText, parseAnswer } from '../../tasks/math/answer-values.ts';
import type { Configured } from '../prompts.ts';
import { loadQuestions, type QuestionOptions, requireQuestion } from './questions.ts';

/** What a person writes; the rest is found out. */
const OwnSample = z.looseObject({
  ...Sample.partial().shape,
  id: RecordId,
  questionId: TextOrNumber.optional(),
  question: z.string().optional(),
  steps: z.union([z.array(z.string()).min(1), z.string()]),
  answer: TextOrNumber.optional(),
  tests: CodeTests.optional(),
  prefix: z.string().optional(),
  /** The question's own task, in a mixture. */
  task: z.string().optional(),
});
type OwnSample = z.infer<typeof OwnSample>;

interface OwnSamples {
  /** Of the data, and those that samples bring along. */
  readonly questions: readonly Question[];
  readonly known: ReadonlyMap<string, Question>;
  /** By question id, in the file's order. */
  readonly samples: ReadonlyMap<string, Sample[]>;
}

interface ReadSamplesArgs {
  readonly path: string;
  readonly stage: Configured;
  readonly options: QuestionOptions & { readonly iteration?: number };
  /** What is done with them needs to know which are right. */
  readonly graded: boolean;
}

/**
 * The loop's own records are checked strictly. Others need `question` (its text) or `questionId`, and `steps`; their outcome comes from the
 * answer in the record or in the data. No data is read where every record brings its question.
 * @throws SipfError 'bad-input' where a record cannot be completed; it names line and field.
 */
export async function readSamples(
  args: ReadSamplesArgs,
  terminal: { readonly signal: AbortSignal; log(line: string): void },
): Promise<OwnSamples> {
  const { path, stage, options } = args;
  const rows = await readAllRows(path, AnyRecord, terminal.signal);
  if (rows.length === 0)
    throw new SipfError('bad-input', `Expected samples in ${path}, got an empty file. Name another one.`);
  const given = rows.map(givenIn);
  const bringsAll = rows.every(({ value }) => typeof value.question === 'string');
  const isNamed = stage.config.task.data !== null || options.questions !== undefined;
  const questions = bringsAll && !isNamed ? [] : await loadQuestions(stage, options);
  const reader = new SampleReader(args, questions);
  // An answer may stand in one record of a question only.
  for (const { own, place } of given) if (own !== null) reader.questionOf(own, place);
  for (const one of given) await reader.add(one, terminal.signal);
  if (reader.ungraded > 0 && args.graded === false)
    terminal.log(`${reader.ungraded} of ${rows.length} samples have no known answer: their outcome stays open.`);
  return { questions: [...reader.known.values()], known: reader.known, samples: reader.samples };
}

interface Given extends Row<unknown> {
  /** A record that a person wrote, which names its question in one of two ways; null: of the loop. */
  readonly own: OwnSample | null;
}

function givenIn(row: Row<Record<string, unknown>>): Given {
  const { value, place } = row;
  // What a run or a stage command wrote: everything is there, or it is damaged.
  if ('outcome' in value && 'finishReason' in value && 'policy' in value) return { ...row, own: null };
  if (value.questionId === undefined) check(z.looseObject({ question: z.string() }), value, place);
  return { ...row, own: check(OwnSample, value, place) };
}

class SampleReader {
  readonly known = new Map<string, Question>();
  readonly samples = new Map<string, Sample[]>();
  ungraded = 0;
  readonly #args: ReadSamplesArgs;
  readonly #byText = new Map<string, Question>();
  readonly #places = new Map<string, string>();

  constructor(args: ReadSamplesArgs, questions: readonly Question[]) {
    this.#args = args;
    for (const question of questions) this.#keep(question);
  }

  async add({ value, place, own }: Given, signal: AbortSignal): Promise<void> {
    const sample = own === null ? check(Sample, value, place) : await this.#fill(own, place, signal);
    requireQuestion(this.known, sample.questionId, place);
    const earlier = this.#places.get(sample.id);
    if (earlier !== undefined)
      throw new SipfError(
        'bad-input',
        `${place}, field "id": Expected an id of its own, got ${JSON.stringify(sample.id)} again (first in ${earlier}). Change one, or leave both out.`,
      );
    this.#places.set(sample.id, place);
    const group = this.samples.get(sample.questionId) ?? [];
    this.samples.set(sample.questionId, [...group, sample]);
  }

  async #fill(own: OwnSample, place: string, signal: AbortSignal): Promise<Sample> {
    const question = this.questionOf(own, place);
    const task = taskOf(this.#args.stage.task, question);
    const steps = typeof own.steps === 'string' ? task.split(own.steps) : own.steps;
    if (steps.every((step) => step.trim() === ''))
      throw new SipfError('bad-input', `${place}, field "steps": Expected steps with text, got none. Fix that line.`);
    const index = own.index ?? this.samples.get(question.id)?.length ?? 0;
    const finishReason = own.finishReason ?? 'stop';
    const graded = await this.#grade(task, question, { steps, finishReason, place, given: own.outcome }, signal);
    return {
      id: own.id === undefined || own.id === null ? `${question.id}/own/${index}` : String(own.id),
      questionId: question.id,
      source: own.source ?? 'policy',
      iteration: own.iteration ?? this.#args.options.iteration ?? 1,
      index,
      policy: own.policy ?? null,
      steps,
      finishReason,
      tokens: own.tokens ?? 0,
      sumLogp: own.sumLogp ?? null,
      extracted: own.extracted ?? graded.extracted,
      outcome: graded.outcome,
    };
  }

  /** The question of a record that a person wrote, taken up where it is new. */
  questionOf(own: OwnSample, place: string): Question {
    const { questionId: id, question: text, answer, tests, prefix, task: name } = own;
    const byId = id ?? (text !== undefined && this.known.has(text) ? text : undefined);
    if (byId !== undefined && (this.known.has(byId) || text === undefined)) {
      requireQuestion(this.known, byId, place);
      const known = this.known.get(byId)!;
      refuseOtherAnswer(known, own, place);
      return known;
    }
    const key = questionKey({ question: text ?? '', ...(prefix === undefined ? {} : { prefix }) });
    const same = this.#byText.get(key);
    if (same !== undefined && (id === undefined || id === same.id)) return this.#completed(same, own, place);
    const { task } = this.#args.stage;
    const member = task.members === undefined ? task : taskOf(task, { task: name });
    return this.#keep({
      id: id ?? `own/${sha256(key).slice(0, 12)}`,
      task: member.name,
      question: text ?? '',
      answer: answer ?? '',
      ...(tests === undefined ? {} : { tests }),
      ...(prefix === undefined ? {} : { prefix }),
    });
  }

  #keep(question: Question): Question {
    this.known.set(question.id, question);
    this.#byText.set(questionKey(question), question);
    return question;
  }

  /** With the answer or the tests that only this record brings. */
  #completed(question: Question, own: OwnSample, place: string): Question {
    refuseOtherAnswer(question, own, place);
    const { answer, tests } = own;
    return this.#keep({
      ...question,
      ...(question.answer === '' && answer !== undefined ? { answer } : {}),
      ...(question.tests === undefined && tests !== undefined ? { tests } : {}),
    });
  }

  async #grade(
    task: Task,
    question: Question,
    path: { steps: readonly string[]; finishReason: 'stop' | 'length'; place: string; given: Outcome | undefined },
    signal: AbortSignal,
  ): Promise<{ extracted: string | null; outcome: Outcome }> {
    const { steps, finishReason, place, given } = path;
    if (given !== undefined) return { extracted: null, outcome: given };
    const isKnown = task.gradedBy === 'tests' ? question.tests !== undefined : question.answer !== '';
    if (isKnown) {
      const given = { question, text: task.pieces(steps).join(''), finishReason };
      return gradeWithRetries(task, given, this.#args.stage.config.sampling.gradeRetries, signal);
    }
    const field = task.gradedBy === 'tests' ? 'tests' : 'answer';
    if (this.#args.graded)
      throw new SipfError(
        'bad-input',
        `${place}, field "${field}": Expected what tells whether these steps are right, got nothing. Add "${field}" to that record, or give its question with --data or --questions.`,
      );
    this.ungraded += 1;
    return { extracted: null, outcome: { kind: 'error', reason: 'no answer is known' } };
  }
}

/** One question has one answer: with two, the first would grade all samples. Written differently (`0.5`, `1/2`) is the same answer. */
function refuseOtherAnswer(question: Question, { answer }: OwnSample, place: string): void {
  if (answer === undefined || question.answer === '' || question.tests !== undefined) return;
  const plain = (text: string) => {
    const parsed = parseAnswer(text);
    return parsed === null ? text.trim() : answerText(parsed);
  };
  if (plain(answer) === plain(question.answer)) return;
  throw new SipfError(
    'bad-input',
    `${place}, field "answer": Expected ${JSON.stringify(question.answer)}, as in another record of this question, got ${JSON.stringify(answer)}. Change one of them.`,
  );
}
