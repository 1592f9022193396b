// Texts of steps -> a run of one round and one question, as the server would tell it.
import type { PathView, Question, QuestionReply, QuestionRow, RunHead } from '../../src/viewer/api.ts';
import type { Answers } from './fake-server.ts';

export interface FakeRun {
  readonly head?: Partial<RunHead>;
  readonly question?: Partial<Question>;
  /** Steps of each path. */
  readonly paths?: readonly (readonly string[])[];
  /** How many questions the list has; all look like the one. */
  readonly questions?: number;
}

export const fakeHead: RunHead = {
  name: 'fake',
  dir: '/runs/fake',
  method: 'sipf',
  task: 'sums',
  model: 'none',
  seed: 1,
  iterations: 1,
  rounds: 2,
  finished: true,
  version: 1,
  now: null,
  indexed: { bytes: 1, of: 1 },
  faults: [],
};

/** Scores of a path's steps fall; labels and checks say that all are right. So the later steps are disputed. */
function fakePath(steps: readonly string[], index: number): PathView {
  const ids = { sampleId: `q/1/${index}`, questionId: 'q' };
  return {
    sample: {
      id: ids.sampleId,
      questionId: ids.questionId,
      source: 'policy',
      iteration: 1,
      index,
      policy: 'p',
      steps: [...steps],
      finishReason: 'stop',
      tokens: 10,
      sumLogp: -2,
      extracted: '1',
      outcome:
        index % 2 === 0
          ? { kind: 'right' }
          : { kind: 'wrong', reason: 'other-answer', detail: steps[0]?.slice(0, 200) ?? '' },
    },
    pathScore: 0.5,
    scores: { ...ids, scorer: 'prm', prm: null, scores: steps.map((_, j) => 0.9 / (j + 1)) },
    labels: {
      ...ids,
      iteration: 1,
      simulator: 's',
      K: 2,
      steps: steps.map(() => ({ correct: 1, run: 2, stop: 'full', impliedBy: null })),
      outcomeRight: true,
      rolloutTokens: 1,
    },
    hardLabels: steps.map(() => true),
    truth: steps.map(() => true),
    knowsSteps: true,
    human: steps.map(() => null),
    leastLogps: steps.map(() => -1),
    rollouts: steps.map(() => 0),
    duplicateOf: null,
  };
}

/** What the fake run answers; requests that it does not know fail. */
export function fakeAnswers({
  head,
  question,
  paths = [
    ['1+1=2', '2+1=3'],
    ['1+1=2', '2+1=4'],
  ],
  questions = 1,
}: FakeRun = {}): Answers {
  const own: Question = { id: 'q', task: 'sums', question: '1+1+1', answer: '3', ...question };
  const reply: QuestionReply = { question: own, paths: paths.map(fakePath), pairs: [], rounds: [1] };
  const row = (i: number): QuestionRow => ({
    id: i === 0 ? 'q' : `q${i}`,
    question: i === 0 ? own.question.slice(0, 200) : `question ${i}`,
    answer: own.answer.slice(0, 200),
    fits: 2,
    paths: 2,
    right: 1,
    scores: [0.2, 0.8],
    labelled: 2,
    pairs: 0,
  });
  return (path, query) => {
    const [offset, limit] = [Number(query['offset'] ?? 0), Number(query['limit'] ?? 0)];
    switch (path) {
      case 'runs':
        return { runs: [{ ...fakeHead, ...head }] };
      case 'questions':
        return {
          total: questions,
          questions: Array.from({ length: Math.max(0, Math.min(limit, questions - offset)) }, (_, i) =>
            row(offset + i),
          ),
          next: null,
        };
      case 'question':
        return reply;
      case 'tokens':
        return { tokens: null };
      case 'rounds':
        return { rounds: [], final: null, warnings: [], onlyCheck: false };
      case 'training':
        return { trainings: [] };
      default:
        return new Error(`no answer to ${path}`);
    }
  };
}
