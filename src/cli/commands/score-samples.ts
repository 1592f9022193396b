// A run's samples and a scorer -> step-scores.jsonl. Stage 4 on its own; `sipf score --samples`.
import type { Command } from 'commander';
import { SipfError, sipfCommand } from '../../errors.ts';
import { scoreUnit } from '../../method/score.ts';
import { scorerNeeds } from '../../method/scorers.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import { StepLabels } from '../../records.ts';
import { inUnits } from '../../run/units.ts';
import { engineOf, openEngine } from '../engine.ts';
import { checkRecordsOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { missing, nameOf, openNamedScorer, openScoreStage, type ScorerOptions } from './open-scorer.ts';
import { readSamples } from './own-samples.ts';
import { fileInput, openPrompt, reportCounts, rowsByQuestion, runJournaled } from './stage.ts';

export interface ScoreSamplesOptions extends ScorerOptions {
  readonly samples?: string;
  readonly out?: string;
  readonly labels?: string;
}

/** Writes the step scores of every sample to --out. */
export async function scoreSamples(command: Command, options: ScoreSamplesOptions, terminal: Terminal): Promise<void> {
  const out = requireOption('out', options.out);
  const path = requireOption('samples', options.samples);
  await using stage = await openScoreStage(command, options);
  const { config, task, kind } = stage;
  checkRecordsOut('score', { ...options, out }, config);
  if (scorerNeeds(kind, 'tallies') && options.labels === undefined) throw missing('--labels', kind);
  const judged = scorerNeeds(kind, 'outcome');
  const { questions, known, samples } = await readSamples({ path, stage, options, judged }, terminal);
  const labels =
    options.labels === undefined ? null : await rowsByQuestion(options.labels, StepLabels, known, terminal.signal);
  const items = [...samples].map(
    ([id, own]): LabelledQuestion => ({ question: known.get(id)!, samples: own, labels: labels?.get(id) ?? [] }),
  );
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt } = await openPrompt({ stage, options, questions, backend });
  const labelled = labels === null ? null : items;
  await using scorer = await openNamedScorer({ backend, stage, prompt, options, labelled }, terminal);
  const context = { scorer, task, prompt, signal: terminal.signal };
  const counts = await runJournaled(
    {
      title: 'score',
      unit: 'questions',
      out,
      inputs: {
        stage: 'score',
        scorer: nameOf(scorer),
        prompt: config.prompt,
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
  warnOfTooLong(counts.pathsTooLong ?? 0, terminal);
  await reportCounts(out, counts, options.json === true, terminal);
}

/** Says how many paths stay without scores. */
export function warnOfTooLong(paths: number, terminal: Terminal): void {
  if (paths === 0) return;
  terminal.warn(`${paths} ${paths === 1 ? 'path is' : 'paths are'} too long for the model's context: scores null.`);
}

function requireOption(name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw new SipfError(
    'bad-input',
    `Expected --${name}, got none. Give it; ${sipfCommand('score', '--help')} has an example.`,
  );
}
