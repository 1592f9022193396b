// A policy and question sets -> its answers to them, greedy ones or samples, in a stage's file.
import { canonicalHash } from '../../hashing.ts';
import { readRecords } from '../../io/jsonl.ts';
import { type AnswerItem, answerUnit, type OpenSet, type SampledAnswers } from '../../method/evaluate.ts';
import { unitsAtOnce } from '../../method/units-at-once.ts';
import { Answer, type Checkpoint } from '../../records.ts';
import type { Counts } from '../../reports.ts';
import type { StageName } from '../../run/marker.ts';
import type { Round } from '../loop.ts';

interface AnswerStage {
  readonly stage: StageName;
  readonly sets: readonly OpenSet[];
  readonly policy: Checkpoint;
  /** Absent: one greedy answer to each question. */
  readonly sampled?: SampledAnswers;
}

/** What a policy answers to all questions of the sets. */
export function answer(
  { run, config, data, models }: Round,
  { stage, sets, policy, sampled }: AnswerStage,
): Promise<Counts> {
  const { maxTokens, gradeRetries, calculator, unit } = config.evaluate;
  const items: AnswerItem[] = sets.flatMap((set) => set.questions.map((question) => ({ set, question })));
  const hashes = sets.map(({ task, split, questions }) => ({
    task: task.name,
    split,
    questions: canonicalHash(questions),
  }));
  return run.collect({
    stage,
    inputs: {
      prompt: data,
      sets: hashes,
      policy: policy.hash,
      options: { maxTokens, gradeRetries, calculator, unit },
      ...(sampled === undefined ? {} : { sampled }),
    },
    items: () => ({ total: items.length, items }),
    counted: 'questions',
    unit,
    open: () => models.openPolicy(policy),
    atOnce: ({ room }) => unitsAtOnce(room, unit * (sampled?.count ?? 1)),
    each: (some, opened, onDone) =>
      answerUnit(some, { policy: opened, options: config.evaluate, sampled, signal: run.signal, onDone }),
  });
}

export function answersOf({ run }: Pick<Round, 'run'>, { folder, name }: StageName): AsyncGenerator<Answer> {
  return readRecords(run.path(folder, `${name}.jsonl`), Answer);
}

export function answersHash({ run }: Pick<Round, 'run'>, stage: StageName): Promise<string> {
  return run.outputHash(stage, `${stage.name}.jsonl`);
}
