// A run directory as a workspace: the records of its rounds, and the models in it and outside.
import type { z } from 'zod';
import type { Backend } from '../backend.ts';
import { readRecords } from '../io/jsonl.ts';
import { PreferencePair, type Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Run } from '../run/run.ts';
import { joinQuestions } from '../run/units.ts';
import { checkpointOf, type OutsideModels, sourceOf } from './models.ts';
import { type Group, modelsNamed, type Records, type RecordsName, stageOf, type Workspace } from './workspace.ts';

interface RunWorkspaceArgs {
  readonly run: Run;
  readonly backend: Backend;
  readonly outside: OutsideModels;
  /** Those that are asked, in order. */
  readonly questions: readonly Question[];
}

export function runWorkspace({ run, backend, outside, questions }: RunWorkspaceArgs): Workspace {
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
        samples: all.map((k) => read('1-samples', k, Sample)),
        labels: labels ? all.map((k) => read('2-step-labels', k, StepLabels)) : [],
        scores: scores ? [read('4-scores', to, StepScores)] : [],
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

/** from .. to */
function rounds(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}

interface Streams {
  readonly samples: readonly AsyncIterable<Sample>[];
  readonly labels: readonly AsyncIterable<StepLabels>[];
  readonly scores: readonly AsyncIterable<StepScores>[];
}

/** Reads all streams side by side, so that no stage needs a whole file in memory. */
async function* grouped(questions: readonly Question[], streams: Streams): AsyncGenerator<Group> {
  const order = questions.map(({ id }) => id);
  const samples = joinQuestions(order, streams.samples);
  const labels = joinQuestions(order, streams.labels);
  const scores = joinQuestions(order, streams.scores);
  const flat = <T>(next: IteratorResult<{ groups: T[][] }>) => (next.done === true ? [] : next.value.groups.flat());
  try {
    for (const question of questions) {
      const [ofSamples, ofLabels, ofScores] = await Promise.all([samples.next(), labels.next(), scores.next()]);
      yield { question, samples: flat(ofSamples), labels: flat(ofLabels), scores: flat(ofScores) };
    }
    // Lets each join check that no record was out of place.
    await Promise.all([samples.next(), labels.next(), scores.next()]);
  } finally {
    await Promise.all([samples.return(undefined), labels.return(undefined), scores.return(undefined)]);
  }
}
