// Paths with true, false and no equations -> what is spoiled, and what a gate refuses.
import { expect, test } from 'vitest';
import { sumQuestion, sumsTask } from '../../test/scripted-sums.ts';
import type { Question, Sample } from '../records.ts';
import type { Task } from '../task.ts';
import { taskNamed } from '../tasks/index.ts';
import { refusedByGate } from './chosen-gate.ts';
import { spoiledSteps } from './exact-checks.ts';
import { requireSignal, requireTexts } from './task-signals.ts';

const question: Question = { id: 'q', task: 'gsm8k', question: 'How many?', answer: '9' };

test('a false equation spoils its step and all later ones; a step without one counts as those before it', () => {
  const gsm8k = taskNamed('gsm8k');
  const spoiled = (...steps: string[]) => spoiledSteps(gsm8k, question, steps);
  expect(spoiled('Let us see.', '<<2+2=4>>', 'So 4.', '<<4*2=9>>', 'Then', '<<1+1=2>>')).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
  ]);
  expect(spoiled('1+1=3', '2+2=4')).toEqual([true, true]);
  expect(spoiled('one', 'two')).toEqual([false, false]);
  // Which steps are spoiled does not depend on what follows: prefixes that paths share are settled alike.
  expect(spoiled('so 1+1=3 in all')).toEqual(spoiled('so 1+1=3 in all', '<<2+2=4>>4').slice(0, 1));
});

function path(id: string, steps: readonly string[], isRight = true): Sample {
  const outcome = isRight ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'other-answer' } as const);
  const given = {
    questionId: 'q',
    source: 'policy',
    iteration: 1,
    index: 0,
    policy: null,
    finishReason: 'stop',
  } as const;
  return { id, ...given, steps: [...steps], tokens: 1, sumLogp: null, extracted: null, outcome };
}

test('gates: exact looks at equations alone, sound at true steps where the task knows them', () => {
  const own = sumQuestion('train', 3);
  const gold = own.solution!;
  const [first = '', ...rest] = gold;
  const samples = [
    path('gold', gold),
    path('no equation', ['nothing to check', `The answer is ${own.answer}`]),
    path('false', [`${first}0`, ...rest]),
  ];
  const refused = (gate: 'right' | 'exact' | 'sound' | 'none', task: Task = sumsTask) => [
    ...refusedByGate(gate, task, { question: own, samples }),
  ];
  expect(refused('right')).toEqual([]);
  expect(refused('none')).toEqual([]);
  expect(refused('exact')).toEqual(['false']);
  expect(refused('sound')).toEqual(['no equation', 'false']);
  const { trueSteps: _, ...blind } = sumsTask;
  expect(refused('sound', blind)).toEqual(['false']);
});

test('programs hold no equations: what would check nothing is refused', () => {
  const [code, mini] = [taskNamed('code'), taskNamed('mini-code')];
  const gate = (name: 'exact' | 'sound', task: Task) => () => refusedByGate(name, task, { question, samples: [] });
  expect(() => requireSignal(code, 'equations', 'labels.exactChecks true')).toThrow(
    /labels\.exactChecks true, got code/,
  );
  expect(gate('exact', mini)).toThrow(/pairs\.chosenGate exact, got mini-code/);
  expect(gate('sound', code)).toThrow(/pairs\.chosenGate sound, got code/);
  expect(gate('sound', mini)()).toEqual(new Set());
});

test('a calculator needs a task of texts, alone or in a mixture', () => {
  expect(() => requireTexts(taskNamed('mini-code'), 'sampling.calculator true')).toThrow(
    /sampling\.calculator true, got mini-code, whose answers are programs/,
  );
  expect(() => requireTexts(taskNamed('mini'), 'x')).not.toThrow();
  const mixture = { ...taskNamed('mini'), members: [taskNamed('mini-code'), taskNamed('mini')] };
  expect(() => requireTexts(mixture, 'x')).not.toThrow();
});
