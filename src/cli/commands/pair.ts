// sipf pair: samples with their step scores -> pairs.jsonl. Stage 5 on its own; needs no model.
import { dirname } from 'node:path';
import { Command } from 'commander';
import { SipfError } from '../../errors.ts';
import { nodeDisk, replaceFile } from '../../io/files.ts';
import type { Row } from '../../io/jsonl.ts';
import { METHODS } from '../../method/methods.ts';
import { capPairs, pairCounts, pairQuestion } from '../../method/pair.ts';
import { shuffleScores } from '../../method/score.ts';
import { pathScores } from '../../method/step-labels.ts';
import { type Sample, StepScores } from '../../records.ts';
import { finish } from '../options.ts';
import { checkRecordsOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { readSamples } from './own-samples.ts';
import { openStage, reportCounts, rowsByQuestion, type StageOptions, withStage } from './stage.ts';

interface PairCommandOptions extends StageOptions {
  readonly in: string;
  readonly samples: string;
}

export function pairCommand(terminal: Terminal): Command {
  const command = withStage(
    new Command('pair')
      .description('Pair paths of one question whose scores are far enough apart (stage 5).')
      .requiredOption('--in <file>', 'JSONL of step scores')
      .requiredOption('--samples <file>', 'JSONL of the samples that they score'),
    'JSONL of preference pairs to write',
    ['task', 'score', 'pairs'],
  );
  return finish(
    command,
    'print {out, counts}',
    'sipf pair --in scores.jsonl --samples samples.jsonl --task gsm8k --data gsm8k/train.jsonl --pairs.eta 0.1 --out pairs.jsonl',
  ).action((options: PairCommandOptions) => pair(command, options, terminal));
}

async function pair(command: Command, options: PairCommandOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  checkRecordsOut('pair', options, stage.config);
  const { seed, score, pairs } = stage.config;
  const { known, samples } = await readSamples({ path: options.samples, stage, options, judged: true }, terminal);
  const scores = await rowsByQuestion(options.in, StepScores, known, terminal.signal, (row) =>
    requireSample(row, samples.get(row.value.questionId) ?? [], options.samples),
  );
  const key = `${seed}/${options.iteration}`;
  const shuffles = METHODS[stage.config.method].shuffleScores;
  const found = [...samples].map(([id, own]) => {
    const ofQuestion = pathScores(scores.get(id) ?? [], score.path);
    const read = shuffles ? shuffleScores(ofQuestion, own, `shuffle/${key}/${id}`) : ofQuestion;
    return pairQuestion({ question: known.get(id)!, samples: own, scores: read }, pairs, `${key}/${id}`);
  });
  const kept = capPairs(found, pairs.total, key);
  const rows = kept.flatMap((item) => [...item.pairs, ...item.nllRows]);
  if (rows.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected pairs with scores at least ${pairs.eta} apart, got none in ${samples.size} questions. Lower --pairs.eta, draw more samples, or see whether --in scores the same samples.`,
    );
  }
  await nodeDisk.makeFolder(dirname(options.out));
  await replaceFile(
    nodeDisk,
    options.out,
    rows.map((row) => `${JSON.stringify(row)}\n`),
  );
  const right = new Map([...samples.values()].flat().map(({ id, outcome }) => [id, outcome.kind === 'right']));
  await reportCounts(options.out, { ...pairCounts(kept, right) }, options.json === true, terminal);
}

/** Scores of another file's samples would pair nothing, or the wrong paths. */
function requireSample({ place, value }: Row<StepScores>, samples: readonly Sample[], file: string): void {
  const { sampleId, scores } = value;
  const sample = samples.find(({ id }) => id === sampleId);
  if (sample === undefined) {
    throw new SipfError(
      'bad-input',
      `${place}, field "sampleId": Expected the id of a sample in ${file}, got ${JSON.stringify(sampleId)}. Give the samples that were scored, those of earlier rounds too.`,
    );
  }
  if (scores === null || scores.length === sample.steps.length) return;
  throw new SipfError(
    'bad-input',
    `${place}, field "scores": Expected ${sample.steps.length} of them, one a step of ${sampleId}, got ${scores.length}. Score that sample again.`,
  );
}
