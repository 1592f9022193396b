// A run directory -> its record files in the order of their making, and whether one changed.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFolder } from '../../io/file-bytes.ts';
import { journalInputs, journalPath } from '../../run/journal.ts';
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
  /** The hash that the stage's marker has of it; null: no marker, so size and time must do. Of a journal that of the stage's inputs. */
  readonly hash: string | null;
  /** A stage is at work, or was: its journal, which grows, stands for the file that it becomes. */
  readonly isJournal: boolean;
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

/** The finished file, else the journal of a stage that has not ended. */
async function fileOf(dir: string, round: number, kind: RecordsKind): Promise<RecordFile | null> {
  const stage = stageOf(round, kind === '0-questions' ? '0-inputs' : kind);
  const whole = await fileAt(dir, fileName(round, kind));
  if (whole !== null) {
    const marker = await readMarker(dir, stage).catch(() => null);
    return { kind, round, ...whole, hash: marker?.outputs[`${kind}.jsonl`] ?? null, isJournal: false };
  }
  const journal = await fileAt(dir, journalPath('', stage));
  if (journal === null) return null;
  const inputs = await journalInputs(join(dir, journal.name)).catch(() => null);
  return inputs === null ? null : { kind, round, ...journal, hash: inputs, isJournal: true };
}

async function fileAt(dir: string, name: string): Promise<Pick<RecordFile, 'name' | 'size' | 'mtimeMs'> | null> {
  const info = await stat(join(dir, name)).catch(() => null);
  return info?.isFile() ? { name, size: info.size, mtimeMs: info.mtimeMs } : null;
}

/** Whether `now` is what was read as `then`; a journal may have grown. */
export function isSame(then: RecordFile, now: RecordFile): boolean {
  if (then.name !== now.name) return false;
  if (then.isJournal) return then.hash === now.hash && now.size >= then.size;
  if (then.size !== now.size) return false;
  return then.hash !== null && now.hash !== null ? then.hash === now.hash : then.mtimeMs === now.mtimeMs;
}
