// MBPP and HumanEval records (also EvalPlus's), and the user's own JSONL -> Tasks.
import type { Question } from '../../records.ts';
import type { Sandbox } from '../../sandbox.ts';
import type { Split, Task } from '../../task.ts';
import type { HubOptions } from '../data/hub-data.ts';
import { loadQuestions, type QuestionSet } from '../data/question-set.ts';
import { codeRecord, humanEvalProblem, mbppProblem, ownProblem } from './code-records.ts';
import { createCodeTask } from './code-task.ts';

interface CodeSource {
  /** Called before the first program is graded. */
  readonly sandbox: () => Sandbox;
  readonly hub?: HubOptions | undefined;
}

/** First and last task_id of each split, and of the worked examples of few-shot prompts. */
const MBPP_IDS: Readonly<Record<Split | 'prompt', readonly [number, number]>> = {
  train: [601, 974],
  valid: [511, 600],
  test: [11, 510],
  prompt: [1, 10],
};

function isWithin({ id }: Question, split: Split | 'prompt'): boolean {
  const number = Number(id.slice('mbpp/'.length));
  const [first, last] = MBPP_IDS[split];
  return number >= first && number <= last;
}

const mbppName = (split: Split): string => `${split} problems of MBPP (task_id ${MBPP_IDS[split].join(' to ')})`;

/** 974 short problems; the split is decided by task_id, for a record of any file. Also the sanitised set and MBPP+. */
export function createMbpp({ sandbox, hub }: CodeSource): Task {
  const set: QuestionSet = {
    layout: {
      name: 'mbpp',
      wholeSet: ['mbpp.jsonl', 'sanitized-mbpp.json', 'MbppPlus.jsonl'],
      testOnly: false,
      splitInRecords: true,
      folder: 'full',
    },
    hubSet: { repo: 'google-research-datasets/mbpp', folder: 'full' },
    hub,
    parse: (record) => codeRecord(mbppProblem(record)),
    belongs: isWithin,
    splitNames: { train: mbppName('train'), valid: mbppName('valid'), test: mbppName('test') },
  };
  return {
    ...createCodeTask(set, sandbox),
    examples: ({ data }) =>
      loadQuestions({ ...set, belongs: (question) => isWithin(question, 'prompt') }, { data, split: 'train' }),
  };
}

/** 164 functions to complete, a test set only; `prefix` is the prompt that the answer continues. Also HumanEval+. */
export function createHumanEval({ sandbox, hub }: CodeSource): Task {
  const set: QuestionSet = {
    layout: {
      name: 'humaneval',
      wholeSet: ['HumanEval.jsonl', 'humaneval.jsonl', 'HumanEvalPlus.jsonl'],
      testOnly: true,
      folder: 'openai_humaneval',
    },
    hubSet: { repo: 'openai/openai_humaneval', folder: 'openai_humaneval' },
    hub,
    parse: (record) => codeRecord(humanEvalProblem(record)),
  };
  return createCodeTask(set, sandbox);
}

/** Any JSONL with prompts and tests: see `ownProblem` for its fields. Splits as in the task jsonl. */
export function createCode({ sandbox }: Pick<CodeSource, 'sandbox'>): Task {
  const set: QuestionSet = {
    layout: { name: 'code', wholeSet: [], testOnly: false, ownData: true },
    parse: (record) => codeRecord(ownProblem(record)),
  };
  return createCodeTask(set, sandbox);
}
