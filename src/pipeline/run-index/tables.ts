// What the index keeps of a run: ids, a row for each path, and where the records of a question are.
import { type Kind, newTable, type Table } from './columns.ts';
import type { RecordFile } from './record-files.ts';
import type { End } from './record-lines.ts';
import { TextTable } from './text-table.ts';

/** No round, no row, no place. */
export const NO_ROUND = 0xffff;
export const NONE = 0xffff_ffff;

/** A bit for each thing that is so or not of a path in every round. */
export const PATH_FLAGS = { truncated: 1, hinted: 2, gold: 4, rollout: 8, drawn: 16 } as const;

export const PATH_KINDS = {
  question: 'u32',
  /** In which it was new. */
  round: 'u16',
  /** See `OUTCOMES`. */
  outcome: 'u8',
  flags: 'u8',
  tokens: 'u32',
  /** First round with labels of it. */
  labelled: 'u16',
  /** First round in which another path of the question has the same steps. */
  twin: 'u16',
  /** 64 bits of its steps' hash. */
  low: 'u32',
  high: 'u32',
  /** Where `hard` has its latest hard labels. */
  hard: 'u32',
} as const satisfies Record<string, Kind>;
export type Paths = Table<keyof typeof PATH_KINDS>;

/** Runs of lines of one question. */
export const PLACE_KINDS = { question: 'u32', at: 'f64', bytes: 'u32', line: 'u32' } as const satisfies Record<
  string,
  Kind
>;

/** Bits of a path in a round. */
export const ROUND_FLAGS = { scored: 1, tooLong: 2, disagree: 4, paired: 8 } as const;

/** By path: its score in the round, NaN without one. */
export const SCORE_KINDS = { score: 'f64', flags: 'u8' } as const satisfies Record<string, Kind>;

/** By pair, parallel to its places. `margin`: NaN where a side has no score. */
export const PAIR_KINDS = {
  chosen: 'u32',
  /** `NONE`: there is no rejected path, or it is unknown. */
  rejected: 'u32',
  margin: 'f64',
  shared: 'u32',
  /** 1: a pair; 0: a chosen path alone. */
  isPair: 'u8',
} as const satisfies Record<string, Kind>;

/** A file that was read whole; of a journal the lines that were there. */
export interface FileTables {
  file: RecordFile;
  /** Where a journal is read on. */
  end: End;
  readonly places: Table<keyof typeof PLACE_KINDS>;
  /** Of 4-scores and 5-pairs, by path. */
  readonly scores: Table<keyof typeof SCORE_KINDS>;
  /** Of 5-pairs. */
  readonly pairs: Table<keyof typeof PAIR_KINDS>;
}

export const START: End = { at: 0, line: 1 };

export function newFileTables(file: RecordFile): FileTables {
  return {
    file,
    end: START,
    places: newTable(PLACE_KINDS),
    scores: newTable(SCORE_KINDS),
    pairs: newTable(PAIR_KINDS),
  };
}

export const HARD_KINDS = { hard: 'u8' } as const satisfies Record<string, Kind>;
/** Behind the hard labels of a path in `hard`, which are 0 and 1. */
export const END_OF_LABELS = 2;

export interface RunTables {
  /** By question: ids in the order of the file. */
  readonly questions: TextTable;
  /** By path: ids in the order in which they were read. */
  readonly ids: TextTable;
  readonly paths: Paths;
  readonly hard: Table<keyof typeof HARD_KINDS>;
  readonly files: FileTables[];
  /** What is wrong, with file and line; `moreFaults` were not kept. */
  readonly faults: string[];
  moreFaults: number;
}

export function newRunTables(): RunTables {
  return {
    questions: new TextTable(),
    ids: new TextTable(),
    paths: newTable(PATH_KINDS),
    hard: newTable(HARD_KINDS),
    files: [],
    faults: [],
    moreFaults: 0,
  };
}

/** The tables of a file; null: it is not there, or not read yet. */
export function tablesOf({ files }: RunTables, kind: RecordFile['kind'], round: number): FileTables | null {
  return files.find(({ file }) => file.kind === kind && file.round === round) ?? null;
}
