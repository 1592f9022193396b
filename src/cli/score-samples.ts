// A run's samples and a scorer -> step-scores.jsonl. Stage 4 on its own; `sipf score --samples`.

import type { Backend, ModelSource } from '../backends/backend.ts';
import { openBackend } from '../backends/open.ts';
import { loadConfig } from '../config.ts';
import { SipfError, sipfCommand } from '../errors.ts';
import { inUnits } from '../pipeline/counts.ts';
import { type ScoreItem, type Scorer, scoreUnit } from '../pipeline/score-paths.ts';
import { Sample, StepLabels } from '../records.ts';
import type { Split } from '../tasks/task.ts';
import type { ExecutionOptions } from './options.ts';
import {
  fileInput,
  loadQuestions,
  openPrompt,
  openStageOf,
  reportCounts,
  rowsByQuestion,
  runJournaled,
} from './stage.ts';
import type { Terminal } from './terminal.ts';

export interface ScoreSamplesOptions extends ExecutionOptions {
  readonly prm?: string;
  readonly adapter?: string;
  readonly task: string;
  readonly samples?: string;
  readonly out?: string;
  readonly questions?: string;
  readonly data?: string;
  readonly split: Split;
  readonly scorer: 'prm' | 'tallies' | 'logprob';
  readonly labels?: string;
  readonly model?: string;
  readonly json?: boolean;
}

/** The process reward model that --prm names. */
export function prmSource({ prm, adapter }: Pick<ScoreSamplesOptions, 'prm' | 'adapter'>): ModelSource {
  return sourceOf(requireOption('prm', prm), adapter);
}

/** Writes the step scores of every sample to --out. */
export async function scoreSamples(options: ScoreSamplesOptions, terminal: Terminal): Promise<void> {
  const out = requireOption('out', options.out);
  const path = requireOption('samples', options.samples);
  const config = await loadConfig({ flags: { 'task.name': options.task, 'task.data': options.data ?? null } });
  await using stage = openStageOf(config);
  const { task } = stage;
  const questions = await loadQuestions(stage, options);
  const known = new Map(questions.map((question) => [question.id, question]));
  const samples = await rowsByQuestion(path, Sample, known, terminal.signal);
  const labels =
    options.labels === undefined ? null : await rowsByQuestion(options.labels, StepLabels, known, terminal.signal);
  const items = [...samples].map(
    ([id, own]): ScoreItem => ({ question: known.get(id)!, samples: own, labels: labels?.get(id) ?? [] }),
  );
  await using backend = await openBackend(options);
  const prompt = await openPrompt(stage, questions, backend);
  await using opened = await openScorer(backend, options);
  const context = { scorer: opened.scorer, task, prompt, signal: terminal.signal };
  const counts = await runJournaled(
    {
      title: 'score',
      unit: 'questions',
      out,
      inputs: {
        stage: 'score',
        scorer: opened.name,
        samples: await fileInput(path, terminal.now()),
        labels: options.labels === undefined ? null : await fileInput(options.labels, terminal.now()),
        questions,
      },
      units: inUnits(items, config.score.unit),
      total: items.length,
      each: (unit) => scoreUnit(unit, context),
    },
    terminal,
  );
  await reportCounts(out, counts, options.json === true, terminal);
}

interface OpenScorer extends AsyncDisposable {
  readonly scorer: Scorer;
  /** What tells this scorer from another: part of the journal's inputs. */
  readonly name: string;
}

async function openScorer(backend: Backend, options: ScoreSamplesOptions): Promise<OpenScorer> {
  if (options.scorer === 'tallies') {
    requireOption('labels', options.labels);
    return { scorer: { kind: 'tallies' }, name: 'tallies', [Symbol.asyncDispose]: async () => {} };
  }
  if (options.scorer === 'prm') {
    const prm = await backend.openPrm(prmSource(options));
    return {
      scorer: { kind: 'prm', prm },
      name: `prm ${prm.hash}`,
      [Symbol.asyncDispose]: () => prm[Symbol.asyncDispose](),
    };
  }
  const policy = await backend.openPolicy(sourceOf(requireOption('model', options.model), options.adapter));
  return {
    scorer: { kind: 'logprob', policy },
    name: `logprob ${policy.hash}`,
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  };
}

function sourceOf(model: string, adapter: string | undefined): ModelSource {
  return adapter === undefined ? { model } : { model, adapter };
}

function requireOption(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new SipfError(
    'bad-input',
    `Expected --${name}, got none. Give it; ${sipfCommand('score', '--help')} has an example.`,
  );
}
