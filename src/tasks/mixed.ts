// Several tasks -> one Task for a mixed run: each question goes to the task that it belongs to.
import { SipfError } from '../errors.ts';
import type { Question } from '../records.ts';
import { closing, type Task } from '../task.ts';

/** Between the names of a mixture's tasks: `gsm8k+mbpp`. */
export const MIXTURE_SIGN = '+';

/**
 * A mixture of `members`. `data` is one folder with a folder for each of them; a limit holds for each. Steps are cut and graded by
 * `taskOf(mixture, question)`, never by the mixture itself: a text alone does not say which task it is of.
 * @throws SipfError 'bad-input' for a task that comes twice, and for a question of none of them.
 */
export function createMixed(members: readonly Task[]): Task {
  const names = members.map(({ name }) => name);
  const name = names.join(MIXTURE_SIGN);
  const twice = names.find((one, i) => names.indexOf(one) !== i);
  if (members.length < 2 || twice !== undefined) {
    throw new SipfError(
      'bad-input',
      `Expected different tasks joined by ${MIXTURE_SIGN}, such as gsm8k+mbpp, got ${JSON.stringify(name)}. Name each once.`,
    );
  }
  const byName = new Map(members.map((member) => [member.name, member]));
  const memberFor = ({ task }: { readonly task?: string | undefined }): Task => {
    const member = byName.get(task ?? '');
    if (member !== undefined) return member;
    throw new SipfError(
      'bad-input',
      `Expected a question of ${names.join(' or ')}, got one of ${task ?? 'no task'}. Give it one of those tasks.`,
    );
  };
  const unclear = (): never => {
    throw new Error(`Expected taskOf(${name}, question) for what depends on the question, got the mixture itself.`);
  };
  return {
    name,
    members,
    memberFor,
    maxTokens: Math.max(...members.map(({ maxTokens }) => maxTokens)),
    gradedBy: members.some(({ gradedBy }) => gradedBy === 'tests') ? 'tests' : 'answer',
    instruction: members[0]?.instruction ?? '',
    stopStrings: [...new Set(members.flatMap(({ stopStrings }) => stopStrings))],
    load: async (options) => {
      const questions = await together(members, (member) => member.load(options));
      refuseSharedIds(questions);
      return questions;
    },
    examples: (options) =>
      together(members, (member) => member.examples?.(options) ?? member.load({ ...options, split: 'train' })),
    prompt: (question, shots) => memberFor(question).prompt(question, shots),
    pieces: unclear,
    split: unclear,
    distinct: unclear,
    equationsHold: unclear,
    grade: (question, completion, finishReason, options) =>
      memberFor(question).grade(question, completion, finishReason, options),
    trueSteps: (question, steps) => memberFor(question).trueSteps?.(question, steps) ?? null,
    async brokenReferences(questions, options) {
      const broken = [];
      for (const member of members) {
        const own = questions.filter(({ task }) => task === member.name);
        broken.push(...((await member.brokenReferences?.(own, options)) ?? []));
      }
      return broken;
    },
    async [Symbol.asyncDispose]() {
      for (const member of members) await closing(member)[Symbol.asyncDispose]();
    },
  };
}

/** Records of a run name their question by its id alone. */
function refuseSharedIds(questions: readonly Question[]): void {
  const tasks = new Map<string, string>();
  for (const { id, task } of questions) {
    const other = tasks.get(id);
    if (other !== undefined) {
      throw new SipfError(
        'bad-input',
        `Expected ids that differ between the tasks of a mixture, got the id ${JSON.stringify(id)} in ${other} and in ${task}. Change it in one of them.`,
      );
    }
    tasks.set(id, task);
  }
}

async function together(members: readonly Task[], load: (member: Task) => Promise<Question[]>): Promise<Question[]> {
  const lists: Question[][] = [];
  for (const member of members) lists.push(await load(member));
  return lists.flat();
}
