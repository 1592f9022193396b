// A run directory -> its record files in the order of their making, and whether one changed.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFolder } from '../../io/file-bytes.ts';
import { readMarker } from '../../run/marker.ts';
import { stageOf } from '../workspace.ts';

/** Records that the index reads, by the file that holds them. */
export type RecordsKind = '0-questions' | '1-samples' | '2-step-labels' | '4-scores' | '5-pairs';

/** A round's kinds, each after those that its records refer to. */
const OF_ROUND: readonly RecordsKind[] = ['1-samples', '2-step-labels', '4-scores', '5-pairs'];

export interface RecordFile {
  readonly kind: RecordsKind;
  readonly round: number;
  /** In the run directory. */
  readonly name: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** The hash that the stage's marker has of it; null: no marker, so size and time must do. */
  readonly hash: string | null;
}

/** Record files that are there now. */
export async function recordFilesOf(dir: string): Promise<RecordFile[]> {
  const files = [];
  for (let round = 0; await isFolder(join(dir, `iteration-${round}`)); round += 1) {
    for (const kind of round === 0 ? (['0-questions'] as const) : OF_ROUND) {
      const file = await fileOf(dir, round, kind);
      if (file !== null) files.push(file);
    }
  }
  return files;
}

/** The file of a kind of records, as messages and the run directory have it. */
export function fileName(round: number, kind: RecordsKind): string {
  return `iteration-${round}/${kind}.jsonl`;
}

async function fileOf(dir: string, round: number, kind: RecordsKind): Promise<RecordFile | null> {
  const name = fileName(round, kind);
  const info = await stat(join(dir, name)).catch(() => null);
  if (info === null || !info.isFile()) return null;
  const marker = await readMarker(dir, stageOf(round, kind === '0-questions' ? '0-inputs' : kind)).catch(() => null);
  const { size, mtimeMs } = info;
  return { kind, round, name, size, mtimeMs, hash: marker?.outputs[`${kind}.jsonl`] ?? null };
}

/** Whether `now` is what was read as `then`. */
export function isSame(then: RecordFile, now: RecordFile): boolean {
  if (then.name !== now.name || then.size !== now.size) return false;
  return then.hash !== null && now.hash !== null ? then.hash === now.hash : then.mtimeMs === now.mtimeMs;
}
