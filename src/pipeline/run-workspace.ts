// A run directory as a workspace: the records of its rounds, and the models in it and outside.
import type { z } from 'zod';
import type { Backend } from '../backend.ts';
import { readRecords } from '../io/jsonl.ts';
import { PreferencePair, type Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Run } from '../run/run.ts';
import { QuestionStream } from '../run/units.ts';
import { checkpointOf, type OutsideModels, sourceOf } from './models.ts';
import { type Group, modelsNamed, type Records, type RecordsName, stageOf, type Workspace } from './workspace.ts';

/** `questions`: those that are asked, in order. */
export function runWorkspace(
  run: Run,
  backend: Backend,
  outside: OutsideModels,
  questions: readonly Question[],
): Workspace {
  const models = modelsNamed(() => backend, {
    source: (checkpoint) => sourceOf(run.dir, outside, checkpoint),
    checkpoint: (source, hash) => checkpointOf(run.dir, outside, source, hash),
  });
  return { store: run, records: recordsOf(run, questions), models };
}

function recordsOf(run: Run, questions: readonly Question[]): Records {
  const read = <T>(name: RecordsName, k: number, schema: z.ZodType<T>) =>
    readRecords(run.path(`iteration-${k}`, `${name}.jsonl`), schema);
  const hash = (name: RecordsName, k: number) => run.outputHash(stageOf(k, name), `${name}.jsonl`);
  return {
    groups: ({ from = 1, to, labels, scores }) => {
      const all = rounds(from, to);
      return grouped(questions, {
        samples: all.map((k) => new QuestionStream(read('1-samples', k, Sample))),
        labels: labels ? all.map((k) => new QuestionStream(read('2-step-labels', k, StepLabels))) : [],
        scores: scores ? [new QuestionStream(read('4-scores', to, StepScores))] : [],
      });
    },
    async pairs(k) {
      const pairs: PreferencePair[] = [];
      for await (const pair of read('5-pairs', k, PreferencePair)) pairs.push(pair);
      return pairs;
    },
    hashes: (name, k) => Promise.all(rounds(1, k).map((i) => hash(name, i))),
    hash,
  };
}

interface Streams {
  readonly samples: readonly QuestionStream<Sample>[];
  readonly labels: readonly QuestionStream<StepLabels>[];
  readonly scores: readonly QuestionStream<StepScores>[];
}

function rounds(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

/** Reads all files side by side, so that no stage needs a whole one in memory. */
async function* grouped(questions: readonly Question[], { samples, labels, scores }: Streams): AsyncGenerator<Group> {
  const streams = [...samples, ...labels, ...scores];
  const of = async <T extends { questionId: string }>(some: readonly QuestionStream<T>[], id: string) =>
    (await Promise.all(some.map((stream) => stream.take(id)))).flat();
  try {
    for (const question of questions) {
      const { id } = question;
      yield { question, samples: await of(samples, id), labels: await of(labels, id), scores: await of(scores, id) };
    }
    for (const stream of streams) await stream.end();
  } finally {
    for (const stream of streams) await stream[Symbol.asyncDispose]();
  }
}
