// JSONL of preference pairs, the loop's or TRL's -> PreferencePairs, cut into steps by the task.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { check } from '../../io/check.ts';
import { renameHint } from '../../io/field-names.ts';
import { AnyRecord, readAllRows } from '../../io/jsonl.ts';
import { PreferencePair } from '../../records.ts';
import type { Task } from '../../task.ts';

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
    const pair = isOfLoop(value) ? check(PreferencePair, value, place) : pairOf({ value, place, task });
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

const Chat = z.array(z.looseObject({ role: z.string(), content: z.string() })).min(1);
type Chat = z.infer<typeof Chat>;

interface PairLine {
  readonly value: Readonly<Record<string, unknown>>;
  readonly place: string;
  readonly task: Task;
}

function pairOf(line: PairLine): PreferencePair {
  const { questionId, id: ownId, prefix, rejected, shared } = line.value;
  const question = questionOf(line);
  const task = memberOf(line);
  const id = String(questionId ?? ownId ?? `own/${sha256(question).slice(0, 12)}`);
  const pair = {
    questionId: id,
    task: task.name,
    question,
    ...(typeof prefix === 'string' ? { prefix } : {}),
    chosen: sideOf(line, 'chosen', task, id),
    rejected: rejected === null ? null : sideOf(line, 'rejected', task, id),
  };
  return shared === undefined ? pair : check(PreferencePair, { ...pair, shared }, line.place);
}

/** The text that both sides answer: `prompt` or `question`, or what both chats begin with. */
function questionOf(line: PairLine): string {
  const { prompt, question } = line.value;
  if (prompt !== undefined && question !== undefined)
    throw wrong(line, 'prompt', 'either "prompt" or "question"', 'both. Leave one out.');
  const field = question === undefined ? 'prompt' : 'question';
  const given = prompt ?? question ?? sharedStart(line);
  if (given === undefined) throw missing(line, 'prompt');
  const text = typeof given === 'string' ? given : userText(line, field, chatOf(line, field, given));
  if (text.trim() === '') throw wrong(line, field, 'a text', JSON.stringify(text));
  return text.trim();
}

/** TRL's implicit prompt: the messages before the last one of both sides. */
function sharedStart(line: PairLine): unknown {
  const { chosen, rejected } = line.value;
  if (!Array.isArray(chosen) || !Array.isArray(rejected) || !isRecord(chosen[0])) return undefined;
  const [before, other] = [chosen.slice(0, -1), rejected.slice(0, -1)];
  if (before.length === 0) return undefined;
  if (JSON.stringify(before) === JSON.stringify(other)) return before;
  throw wrong(line, 'rejected', 'the same messages before the last one as in "chosen"', 'others');
}

function memberOf(line: PairLine): Task {
  const { members } = line.task;
  const { task } = line.value;
  if (members === undefined) return line.task;
  const member = members.find(({ name }) => name === task);
  if (member !== undefined) return member;
  throw wrong(line, 'task', members.map(({ name }) => name).join(' or '), show(task));
}

function sideOf(line: PairLine, field: 'chosen' | 'rejected', task: Task, id: string): PreferencePair['chosen'] {
  const given = line.value[field];
  if (given === undefined) throw missing(line, field);
  const record = isRecord(given) ? given : {};
  const steps = stepsOf(line, field, isRecord(given) && !('role' in given) ? given.steps : given, task);
  if (steps.every((step) => step.trim() === '')) throw wrong(line, field, 'a text', 'an empty one');
  const { sampleId, score } = record;
  return {
    sampleId: typeof sampleId === 'string' ? sampleId : `${id}/${field}`,
    steps,
    score: typeof score === 'number' ? score : null,
  };
}

function stepsOf(line: PairLine, field: string, given: unknown, task: Task): string[] {
  if (typeof given === 'string') return task.split(given);
  if (Array.isArray(given) && given.length > 0 && given.every((step) => typeof step === 'string')) return given;
  if (!isRecord(given) && !(Array.isArray(given) && given.some(isRecord)))
    throw wrong(line, field, 'a text, a list of steps or a list of chat messages', show(given));
  const messages = chatOf(line, field, Array.isArray(given) ? given : [given]);
  const last = messages.at(-1);
  const earlier = messages.slice(0, -1).some(({ role }) => role === 'assistant');
  if (last?.role === 'assistant' && !earlier) return task.split(last.content);
  throw wrong(line, field, 'one message of the assistant, the last', rolesOf(messages));
}

function chatOf(line: PairLine, field: string, given: unknown): Chat {
  const parsed = Chat.safeParse(given);
  if (parsed.success) return parsed.data;
  throw wrong(line, field, 'a text or a list of {"role": text, "content": text}', show(given));
}

function userText(line: PairLine, field: string, messages: Chat): string {
  const [only] = messages;
  if (messages.length === 1 && only?.role === 'user') return only.content;
  const roles = rolesOf(messages);
  const hint = roles.includes('system') ? ' Give the system message with --prompt.system.' : '';
  throw wrong(line, field, 'one message of the user', `${roles}.${hint}`);
}

const rolesOf = (messages: Chat): string => messages.map(({ role }) => role).join(', ');

function missing({ value, place }: PairLine, field: 'prompt' | 'chosen' | 'rejected'): SipfError {
  const group = ['prompt', 'chosen', 'rejected'].filter((name) => name !== 'prompt' || !('question' in value));
  const hint = renameHint(value, field, group);
  return new SipfError('bad-input', `${place}, field "${field}": Expected a text, got nothing.${hint} ${SHAPES}`);
}

function wrong({ place }: PairLine, field: string, expected: string, got: string): SipfError {
  const end = /[.?]$/.test(got) ? '' : '.';
  return new SipfError('bad-input', `${place}, field "${field}": Expected ${expected}, got ${got}${end} ${SHAPES}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
