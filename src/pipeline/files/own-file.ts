// A task and --data -> whether a command without --split reads all of the file.
import { stat } from 'node:fs/promises';
import type { Task } from '../../task.ts';
import { splitInName } from '../../tasks/data/data-files.ts';

/** True for a file that is given by itself and whose records do not say their split. */
export async function isOwnFile(task: Pick<Task, 'cutsFiles'>, data: string | null | undefined): Promise<boolean> {
  if (task.cutsFiles !== true || data === null || data === undefined) return false;
  return (await stat(data).catch(() => null))?.isFile() === true;
}

/** The same for commands that train or sample: a published train file keeps its valid part apart. */
export async function isWholeForStages(task: Task, data: string | null): Promise<boolean> {
  return (await isOwnFile(task, data)) && (task.ownData === true || splitInName(data ?? '') === undefined);
}
