// The files that a stage command names -> their records by question, and the questions.
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { METHODS } from '../../method/methods.ts';
import type { FileRecords } from '../../pipeline/file-workspace.ts';
import { readPairs } from '../../pipeline/files/own-pairs.ts';
import { readSamples } from '../../pipeline/files/own-samples.ts';
import {
  fileInput,
  loadQuestions,
  requireSample,
  rowsByQuestion,
  withoutBrokenOnes,
} from '../../pipeline/files/questions.ts';
import type { Configured } from '../../pipeline/prompts.ts';
import type { RecordsName } from '../../pipeline/workspace.ts';
import { type PreferencePair, type Question, Sample, StepLabels, StepScores } from '../../records.ts';
import type { Terminal } from '../terminal.ts';
import type { StageCommand, StageOptions } from './stage.ts';

export interface Read {
  /** All that are known: of the data, and those that records bring along. */
  readonly questions: readonly Question[];
  readonly records: FileRecords;
}

type Paths = Readonly<Partial<Record<RecordsName, readonly string[]>>>;

/**
 * Reads every file that a command names.
 * @throws SipfError 'bad-input' where a line is no such record or a file is missing, 'nothing-left' where there is nothing to work on.
 */
export async function readRecordsOf(
  entry: StageCommand,
  opened: Configured,
  options: StageOptions,
  terminal: Terminal,
): Promise<Read> {
  const paths = pathsOf(entry, opened.config, options);
  const own = entry.inputs.find(({ reads, earlier }) => reads === '1-samples' && !earlier);
  if (own === undefined) return readBesideQuestions(paths, opened, options, terminal);
  return readSampled({ paths, graded: own.graded === true }, opened, options, terminal);
}

function pathsOf({ inputs }: StageCommand, { method }: Config, options: StageOptions): Paths {
  const given = inputs.map(({ option, words, reads, earlier, unless }) => {
    const paths = [options[option] ?? []].flat();
    if (paths.length > 0 || earlier || unless?.(METHODS[method])) return [reads, paths] as const;
    throw new SipfError('bad-input', `Expected --${option} (${words}) for the method ${method}, got none. Give it.`);
  });
  return Object.fromEntries(given);
}

/** Samples, the questions that they are of, and the labels and scores of them. `graded`: what is done with the samples needs to know which are right. */
export async function readSampled(
  { paths, graded }: { readonly paths: Paths; readonly graded: boolean },
  stage: Configured,
  options: Pick<StageOptions, 'questions' | 'split' | 'limit'> & { readonly iteration?: number },
  terminal: Terminal,
): Promise<Read> {
  const [path = ''] = paths['1-samples'] ?? [];
  const { questions, known, samples } = await readSamples({ path, stage, options, graded }, terminal);
  const { signal } = terminal;
  const [labelled, scored] = [paths['2-step-labels']?.[0], paths['4-scores']?.[0]];
  const labels = labelled === undefined ? undefined : await rowsByQuestion(labelled, StepLabels, known, signal);
  const isOfSample = requireSample(samples, path);
  const scores = scored === undefined ? undefined : await rowsByQuestion(scored, StepScores, known, signal, isOfSample);
  const ids = new Set([...samples.keys(), ...(labels?.keys() ?? [])]);
  const records = {
    questions: [...ids].map((id) => known.get(id)!),
    samples,
    ...(labels && { labels }),
    ...(scores && { scores }),
    hashes: await hashesOf(paths, terminal),
  };
  return { questions, records };
}

/** The questions of the data, with pairs, or with samples of earlier rounds. */
async function readBesideQuestions(
  paths: Paths,
  opened: Configured,
  options: StageOptions,
  terminal: Terminal,
): Promise<Read> {
  const [pairsOf] = paths['5-pairs'] ?? [];
  const pairs = pairsOf === undefined ? undefined : await readPairsOf(pairsOf, opened, terminal);
  // Pairs carry their texts: questions are needed only for worked solutions, as rows or in the prompt.
  const { align, prompt, method } = opened.config;
  const rows = METHODS[method].align !== 'pairs' || align.gold > 0;
  const needed = pairs === undefined || rows || (prompt.shots > 0 && prompt.shotsFile === null);
  const loaded = needed ? await loadQuestions(opened, options, pairs === undefined ? terminal.log : undefined) : [];
  const questions = await withoutBrokenOnes(opened.task, loaded, terminal);
  const samples = await earlierSamples(paths['1-samples'] ?? [], questions, terminal.signal);
  const hashes = await hashesOf(paths, terminal);
  return { questions, records: { questions, samples, ...(pairs && { pairs }), hashes } };
}

async function readPairsOf(path: string, { config, task }: Configured, terminal: Terminal): Promise<PreferencePair[]> {
  const pairs = await readPairs(path, task, terminal);
  if (pairs.length > 0 || METHODS[config.method].align !== 'pairs') return pairs;
  throw new SipfError(
    'nothing-left',
    `Expected preference pairs in ${path}, got none with two different texts. Add some, or name another file.`,
  );
}

/** Samples of earlier rounds by question, in the order of the rounds. */
async function earlierSamples(
  files: readonly string[],
  questions: readonly Question[],
  signal: AbortSignal,
): Promise<Map<string, Sample[]>> {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const known = new Map<string, Sample[]>();
  for (const file of files)
    for (const [id, samples] of await rowsByQuestion(file, Sample, byId, signal))
      known.set(id, [...(known.get(id) ?? []), ...samples]);
  return known;
}

async function hashesOf(paths: Paths, terminal: Terminal): Promise<FileRecords['hashes']> {
  const hashes: Record<string, string[]> = {};
  for (const [name, files] of Object.entries(paths))
    hashes[name] = await Promise.all(files.map((path) => fileInput(path, terminal.now())));
  return hashes;
}
