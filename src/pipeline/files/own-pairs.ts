// JSONL of preference pairs, the loop's or TRL's -> PreferencePairs, cut into steps by the task.
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { check } from '../../io/check.ts';
import { renameHint } from '../../io/field-names.ts';
import { AnyRecord, readAllRows } from '../../io/jsonl.ts';
import { PreferencePair } from '../../records.ts';
import { type Task, taskOf } from '../../task.ts';

const SHAPES =
  'A line is {"prompt": text, "chosen": text, "rejected": text} as in TRL, texts or lists of chat messages, or {"question": text, "chosen": {"steps": [...]}, "rejected": {"steps": [...]}}.';

/**
 * All pairs of a file. Those whose sides are one text teach nothing; they are left out and counted.
 * @throws SipfError 'bad-input' where a line is no pair; it names line and field.
 */
export async function readPairs(
  path: string,
  task: Task,
  terminal: { readonly signal: AbortSignal; warn(message: string): void },
): Promise<PreferencePair[]> {
  const pairs: PreferencePair[] = [];
  let same = 0;
  for (const { value, place } of await readAllRows(path, AnyRecord, terminal.signal)) {
    const pair = isOfLoop(value) ? check(PreferencePair, value, place) : new PairLine(value, place, task).pair();
    if (pair.rejected !== null && pair.rejected.steps.join('\n') === pair.chosen.steps.join('\n')) same += 1;
    else pairs.push(pair);
  }
  if (same > 0)
    terminal.warn(`${same} of ${same + pairs.length} pairs have the same text on both sides and are left out.`);
  return pairs;
}

/** True for what a run or `sipf pair` wrote: everything is there, or it is damaged. */
function isOfLoop(value: Readonly<Record<string, unknown>>): boolean {
  const { chosen } = value;
  return 'questionId' in value && isRecord(chosen) && 'sampleId' in chosen && 'score' in chosen;
}

interface Message {
  readonly role: string;
  readonly content: string;
}

type Side = PreferencePair['chosen'];

/** One line as somebody wrote it. */
class PairLine {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #task: Task;

  constructor(value: Readonly<Record<string, unknown>>, place: string, task: Task) {
    this.#value = value;
    this.#place = place;
    this.#task = task;
  }

  pair(): PreferencePair {
    const { prefix } = this.#value;
    const question = this.#question();
    const task = this.#member();
    const id = this.#value.questionId ?? this.#value.id ?? `own/${sha256(question).slice(0, 12)}`;
    const chosen = this.#side('chosen', task, String(id));
    const rejected = this.#value.rejected === null ? null : this.#side('rejected', task, String(id));
    return {
      questionId: String(id),
      task: task.name,
      question,
      ...(typeof prefix === 'string' ? { prefix } : {}),
      chosen,
      rejected,
    };
  }

  /** The text that both sides answer: `prompt` or `question`, or what both chats begin with. */
  #question(): string {
    const { prompt, question } = this.#value;
    if (prompt !== undefined && question !== undefined)
      throw this.#wrong('prompt', 'either "prompt" or "question"', 'both. Leave one out.');
    const field = question === undefined ? 'prompt' : 'question';
    const given = prompt ?? question ?? this.#sharedStart();
    if (given === undefined) throw this.#missing('prompt');
    const text = typeof given === 'string' ? given : this.#userText(this.#messages(field, given), field);
    if (text.trim() === '') throw this.#wrong(field, 'a text', JSON.stringify(text));
    return text.trim();
  }

  /** TRL's implicit prompt: the messages before the last one of both sides. */
  #sharedStart(): unknown {
    const { chosen, rejected } = this.#value;
    if (!Array.isArray(chosen) || !Array.isArray(rejected) || !isRecord(chosen[0])) return undefined;
    const [before, other] = [chosen.slice(0, -1), rejected.slice(0, -1)];
    if (before.length === 0) return undefined;
    if (JSON.stringify(before) === JSON.stringify(other)) return before;
    throw this.#wrong('rejected', 'the same messages before the last one as in "chosen"', 'others');
  }

  #member(): Task {
    const { task } = this.#value;
    if (this.#task.members === undefined) return this.#task;
    const names = this.#task.members.map(({ name }) => name);
    if (typeof task === 'string' && names.includes(task)) return taskOf(this.#task, { task });
    throw this.#wrong('task', names.join(' or '), show(task));
  }

  #side(field: 'chosen' | 'rejected', task: Task, id: string): Side {
    const given = this.#value[field];
    if (given === undefined) throw this.#missing(field);
    const record = isRecord(given) ? given : {};
    const own = isRecord(given) && !('role' in given) ? given.steps : given;
    const steps = this.#steps(field, own, task);
    if (steps.every((step) => step.trim() === '')) throw this.#wrong(field, 'a text', 'an empty one');
    const score = typeof record.score === 'number' ? record.score : null;
    return { sampleId: typeof record.sampleId === 'string' ? record.sampleId : `${id}/${field}`, steps, score };
  }

  #steps(field: string, given: unknown, task: Task): string[] {
    if (typeof given === 'string') return task.split(given);
    if (Array.isArray(given) && given.length > 0 && given.every((step) => typeof step === 'string')) return given;
    if (!isRecord(given) && !(Array.isArray(given) && given.some(isRecord)))
      throw this.#wrong(field, 'a text, a list of steps or a list of chat messages', show(given));
    const messages = this.#messages(field, Array.isArray(given) ? given : [given]);
    const last = messages.at(-1);
    const earlier = messages.slice(0, -1).filter(({ role }) => role === 'assistant');
    if (last?.role !== 'assistant' || earlier.length > 0)
      throw this.#wrong(field, 'one message of the assistant, the last', messages.map(({ role }) => role).join(', '));
    return task.split(last.content);
  }

  #messages(field: string, given: unknown): Message[] {
    const messages = Array.isArray(given) ? given : [];
    const isChat = messages.every(
      (message) => isRecord(message) && typeof message.role === 'string' && typeof message.content === 'string',
    );
    if (messages.length > 0 && isChat) return messages as Message[];
    throw this.#wrong(field, 'a text or a list of {"role": text, "content": text}', show(given));
  }

  #userText(messages: readonly Message[], field: string): string {
    const [only] = messages;
    if (messages.length === 1 && only?.role === 'user') return only.content;
    const roles = messages.map(({ role }) => role).join(', ');
    const hint = roles.includes('system') ? ' Give the system message with --prompt.system.' : '';
    throw this.#wrong(field, 'one message of the user', `${roles}.${hint}`);
  }

  #missing(field: 'prompt' | 'chosen' | 'rejected'): SipfError {
    const group = ['prompt', 'chosen', 'rejected'].filter((name) => name !== 'prompt' || !('question' in this.#value));
    return new SipfError(
      'bad-input',
      `${this.#place}, field "${field}": Expected a text, got nothing.${renameHint(this.#value, field, group)} ${SHAPES}`,
    );
  }

  #wrong(field: string, expected: string, got: string): SipfError {
    const end = /[.?]$/.test(got) ? '' : '.';
    return new SipfError(
      'bad-input',
      `${this.#place}, field "${field}": Expected ${expected}, got ${got}${end} ${SHAPES}`,
    );
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
