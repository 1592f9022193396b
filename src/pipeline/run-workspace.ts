// A run directory as the workspace of stages: iteration folders, journals and completion markers.

import type { z } from 'zod';
import type { Backend } from '../backend.ts';
import { readRecords } from '../io/jsonl.ts';
import { type Question, Sample, StepLabels, StepScores } from '../records.ts';
import { Counts, Trained } from '../reports.ts';
import type { Run } from '../run/run.ts';
import { joinQuestions } from '../run/units.ts';
import { checkpointOf, type OutsideModels, sourceOf } from './models.ts';
import {
  type Group,
  RECORDS,
  type RecordsName,
  stageOf,
  type Training,
  type Want,
  type Workspace,
} from './workspace.ts';

export interface RunWorkspaceArgs {
  readonly run: Run;
  readonly backend: Backend;
  readonly outside: OutsideModels;
  /** Those that are asked, in order. */
  readonly questions: readonly Question[];
}

export function runWorkspace({ run, backend, outside, questions }: RunWorkspaceArgs): Workspace {
  const read = <T>(name: RecordsName, k: number, schema: z.ZodType<T>) =>
    readRecords(run.path(`iteration-${k}`, `${name}.jsonl`), schema);
  const hash = (name: RecordsName, k: number) => run.outputHash(stageOf(k, name), `${name}.jsonl`);
  const source: Workspace['source'] = (checkpoint) => sourceOf(run.dir, outside, checkpoint);
  const trained = ({ result, examples, counts }: Training): Trained => ({
    checkpoint: checkpointOf(run.dir, outside, result.source, result.hash),
    steps: result.steps.at(-1)?.steps ?? 0,
    trainTokens: result.tokens,
    examples,
    dropped: result.dropped.length,
    counts: { ...counts },
  });
  return {
    signal: run.signal,
    groups: ({ from = 1, to, labels, scores }: Want) => {
      const all = rounds(from, to);
      return grouped(questions, {
        samples: all.map((k) => read('1-samples', k, Sample)),
        labels: labels ? all.map((k) => read('2-step-labels', k, StepLabels)) : [],
        scores: scores ? [read('4-scores', to, StepScores)] : [],
      });
    },
    pairs: (k) => allOf(read('5-pairs', k, RECORDS['5-pairs'])),
    hashes: (name, k) => Promise.all(rounds(1, k).map((i) => hash(name, i))),
    hash,
    source,
    openPolicy: (checkpoint) => backend.openPolicy(source(checkpoint)),
    openPrm: (checkpoint) => backend.openPrm(source(checkpoint)),
    runTraining: (job, { name: stage, iteration }) => {
      const onStep: Parameters<Backend['train']>[1] = (step) => {
        run.onProgress({ stage, iteration, done: step.step + 1, total: step.steps, unit: 'steps' });
        run.log({ type: 'train-step', stage, iteration, data: { ...step } });
      };
      return backend.train(job, onStep, { signal: run.signal });
    },
    collect: (work) => run.collect({ ...work, file: `${work.stage.name}.jsonl` }),
    async prepare(work, schema) {
      const file = `${work.stage.name}.jsonl`;
      const counts = await run.collect({ ...work, file });
      return { records: await allOf(readRecords(run.path(work.stage.folder, file), schema)), counts };
    },
    write: ({ stage, inputs, all }) => {
      const file = `${stage.name}.jsonl`;
      const body = async () => {
        const { records, counts } = await all();
        await run.writeRecords(stage, file, records);
        return { ...counts };
      };
      return run.once({ stage, inputs, outputs: [file], result: Counts, body });
    },
    train: ({ stage, inputs, output, body }) => {
      const path = run.path(stage.folder, output);
      const once = async () => trained(await body(path));
      return run.once({ stage, inputs, outputs: [output], result: Trained, body: once });
    },
    once: (work) => run.once(work),
    writeJson: (stage, file, value) => run.writeJson(stage, file, value),
    warn: (message, stage) => run.warn(message, stage),
    nameOf: ({ folder, name }) => `${folder}/${name}`,
  };
}

async function allOf<T>(records: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const record of records) all.push(record);
  return all;
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
