// A key -> a run directory of random records, as odd as the format allows, and these records.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig } from '../src/config/load.ts';
import { keptConfig } from '../src/config/paths.ts';
import type { Config, ConfigInput } from '../src/config/schema.ts';
import { sha256 } from '../src/hashing.ts';
import { createRandom, type Random } from '../src/random.ts';
import type { PreferencePair, Question, Sample, StepLabels, StepScores, StepTally } from '../src/records.ts';

export interface RandomRound {
  readonly samples: readonly Sample[];
  /** null: that stage has not run. */
  readonly labels: readonly StepLabels[] | null;
  readonly scores: readonly StepScores[] | null;
  readonly pairs: readonly PreferencePair[] | null;
}

export interface RandomRun {
  readonly config: Config;
  readonly questions: readonly Question[];
  /** From round 1 on. */
  readonly rounds: readonly RandomRound[];
}

const IDS = [
  'q/0',
  '../../etc',
  '__proto__',
  'constructor',
  'a\nb',
  'é',
  'e\u0301',
  '\ud800',
  '\ud801',
  '',
  'q/0/1',
  '😀',
];
const TEXTS = [
  '1+1=2',
  'false: 1+1=3',
  'Straße ΣΟΦΟΣ',
  'She said "no" \\ yes/no',
  'tab\tand\nline',
  '\ud83d alone',
  '😀 smiles',
  '<script>alert(1)</script>',
  'plain words',
  '\u202Eright to left',
  '\u001b[31mred',
];
const REASONS = ['other-answer', 'no-answer', 'truncated', 'false-equation'] as const;

/** A run of some rounds, of which the last may lack its later stages. */
export function randomRun(key: string, input: ConfigInput = {}): RandomRun {
  const random = createRandom(key);
  const config = parseConfig({ model: { init: {} }, task: { name: 'sums' }, ...input });
  const questions = random.shuffle(IDS).map((id): Question => {
    const answer = random.pick(TEXTS);
    return {
      id,
      task: 'sums',
      question: `${random.pick(TEXTS)} ${random.pick(TEXTS)}`.repeat(random.int(1, 9)),
      answer,
    };
  });
  const rounds: RandomRound[] = [];
  const known: Sample[] = [];
  const count = random.int(1, 3);
  for (let k = 1; k <= count; k += 1) {
    const has = { labels: random.next() < 0.8, scores: random.next() < 0.8, pairs: random.next() < 0.8 };
    rounds.push(roundOf(random, { k, questions, known, has }));
  }
  return { config, questions, rounds };
}

interface RoundArgs {
  readonly k: number;
  readonly questions: readonly Question[];
  /** Samples so far; the round's are added. */
  readonly known: Sample[];
  readonly has: Readonly<Record<'labels' | 'scores' | 'pairs', boolean>>;
}

function roundOf(random: Random, { k, questions, known, has }: RoundArgs): RandomRound {
  const samples = questions.flatMap((question) => samplesOf(random, question, k));
  known.push(...samples);
  const labels = samples.filter(() => random.next() < 0.5).map((sample) => labelsOf(random, sample, k));
  const rollouts = has.labels ? labels.flatMap((record) => record.rollouts ?? []) : [];
  const scored = [...known, ...rollouts].filter(() => random.next() < 0.7);
  const scores = scored.map((sample) => scoresOf(random, sample));
  const pairs = pairsOf(random, questions, [...known, ...rollouts]);
  return {
    samples: mixed(random, samples),
    labels: has.labels ? mixed(random, labels) : null,
    scores: has.scores ? mixed(random, scores) : null,
    pairs: has.pairs ? pairs : null,
  };
}

/** Records of a question are together, or anywhere. */
function mixed<T>(random: Random, records: readonly T[]): readonly T[] {
  return random.next() < 0.5 ? records : random.shuffle(records);
}

function samplesOf(random: Random, { id }: Question, k: number): Sample[] {
  return Array.from({ length: random.int(0, 5) }, (_, index) =>
    sampleOf(random, { id: `${id}/${k}/${index}`, questionId: id, k, index }),
  );
}

interface SampleArgs {
  readonly id: string;
  readonly questionId: string;
  readonly k: number;
  readonly index: number;
  readonly source?: Sample['source'];
}

function sampleOf(random: Random, { id, questionId, k, index, source }: SampleArgs): Sample {
  const steps = Array.from({ length: random.int(1, 3) }, () => random.pick(TEXTS));
  return {
    id,
    questionId,
    source: source ?? (random.next() < 0.9 ? 'policy' : 'gold'),
    iteration: k,
    index,
    policy: null,
    // Of the size of a whole block of a file.
    steps: random.next() < 0.0007 ? [...steps, 'x'.repeat(1 << 20)] : steps,
    finishReason: random.next() < 0.8 ? 'stop' : 'length',
    tokens: random.int(1, 50),
    sumLogp: -random.int(1, 9),
    extracted: random.next() < 0.5 ? random.pick(TEXTS) : null,
    outcome: outcomeOf(random),
    ...(random.next() < 0.1 ? { hinted: true as const } : {}),
  };
}

function outcomeOf(random: Random): Sample['outcome'] {
  if (random.next() < 0.5) return { kind: 'right' };
  const detail = random.next() < 0.3 ? { detail: random.pick(TEXTS) } : {};
  return { kind: 'wrong', reason: random.pick(REASONS), ...detail };
}

function labelsOf(random: Random, sample: Sample, k: number): StepLabels {
  const { id, questionId, steps, outcome } = sample;
  const tally = (): StepTally => {
    const correct = random.int(0, 4);
    return { correct, run: 4, stop: random.next() < 0.9 ? 'full' : 'first-success', impliedBy: null };
  };
  const rollouts = steps.flatMap((_, step) =>
    Array.from({ length: random.int(0, 2) }, (_, index) =>
      sampleOf(random, { id: `${id}/${k}.${step}.${index}`, questionId, k, index, source: 'rollout' }),
    ),
  );
  return {
    sampleId: id,
    questionId,
    iteration: k,
    simulator: 's',
    K: 4,
    steps: steps.map(tally),
    outcomeRight: outcome.kind === 'right',
    rolloutTokens: 3,
    ...(random.next() < 0.5 ? { rollouts } : {}),
  };
}

function scoresOf(random: Random, { id, questionId, steps }: Sample): StepScores {
  const scores = random.next() < 0.1 ? null : steps.map(() => random.int(0, 10) / 10);
  return { sampleId: id, questionId, scorer: 'prm', prm: 'p', scores };
}

function pairsOf(random: Random, questions: readonly Question[], samples: readonly Sample[]): PreferencePair[] {
  return questions.flatMap(({ id, question }) => {
    const own = samples.filter(({ questionId }) => questionId === id);
    return Array.from({ length: own.length === 0 ? 0 : random.int(0, 2) }, () => {
      const side = () => {
        const { id: sampleId, steps } = random.pick(own);
        return { sampleId, steps, score: random.next() < 0.9 ? random.next() : null };
      };
      return { questionId: id, question, chosen: side(), rejected: random.next() < 0.8 ? side() : null };
    });
  });
}

/** How a record is written: as JSON.stringify has it, or with more escapes, which mean the same. */
function lineOf(random: Random, record: unknown): string {
  const text = JSON.stringify(record);
  if (random.next() < 0.8) return text;
  const escaped = text.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return random.next() < 0.5 ? escaped : escaped.replaceAll('/', '\\/');
}

/** Writes the run; some files have the markers of their stages, and the next round has begun to sample. */
export async function writeRun(dir: string, { config, questions, rounds }: RandomRun, key = 'files'): Promise<void> {
  const random = createRandom(key);
  await mkdir(dir, { recursive: true });
  const { config: kept, engine } = keptConfig(dir, config);
  await writeFile(join(dir, 'config.json'), JSON.stringify({ config: kept, engine, versions: {} }));
  await writeRecords(random, join(dir, 'iteration-0'), '0-questions', '0-inputs', questions);
  for (const [i, round] of rounds.entries()) await writeRound(dir, i + 1, round, key);
  const folder = join(dir, `iteration-${rounds.length + 1}`, 'done');
  await mkdir(folder, { recursive: true });
  const unit = JSON.stringify({ unit: 0, records: [], counts: {} });
  await writeFile(join(folder, '1-samples.journal.jsonl'), `{"journal":1,"inputs":"i"}\n${unit}\n{"unit":1,"rec`);
}

/** Writes the files of round `k`. */
export async function writeRound(dir: string, k: number, round: RandomRound, key = 'files'): Promise<void> {
  const random = createRandom(`${key}/${k}`);
  const folder = join(dir, `iteration-${k}`);
  await writeRecords(random, folder, '1-samples', '1-samples', round.samples);
  for (const [name, records] of [
    ['2-step-labels', round.labels],
    ['4-scores', round.scores],
    ['5-pairs', round.pairs],
  ] as const)
    if (records !== null) await writeRecords(random, folder, name, name, records);
}

async function writeRecords(random: Random, folder: string, name: string, stage: string, records: readonly unknown[]) {
  await mkdir(join(folder, 'done'), { recursive: true });
  const end = random.next() < 0.8 ? '\n' : '';
  const text = records.length === 0 ? '' : records.map((record) => lineOf(random, record)).join('\n') + end;
  await writeFile(join(folder, `${name}.jsonl`), text);
  if (random.next() < 0.7) await writeMarker(folder, name, stage, text);
}

async function writeMarker(folder: string, name: string, stage: string, text: string): Promise<void> {
  const marker = { stage, inputs: {}, outputs: { [`${name}.jsonl`]: sha256(text) }, result: {} };
  await writeFile(join(folder, 'done', `${stage}.json`), JSON.stringify(marker));
}
