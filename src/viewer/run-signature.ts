// A run directory -> a text that changes with its files.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders of a run whose files tell what happened; a model's folder is one entry. */
const FOLDERS = /^(?:iteration-\d+|final)$/;

/** Sizes and times of the files of rounds, of their markers, and of the files beside the rounds. */
export async function runSignature(dir: string): Promise<string> {
  const names = await namesIn(dir);
  const folders = names.filter((name) => FOLDERS.test(name)).flatMap((name) => [name, join(name, 'done')]);
  const parts = [await entriesOf(dir, '', names)];
  for (const folder of folders) parts.push(await entriesOf(dir, folder, await namesIn(join(dir, folder))));
  return parts.flat().join('\n');
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

async function entriesOf(dir: string, folder: string, names: readonly string[]): Promise<string[]> {
  const told = names.filter((name) => !/\.tmp$|^lock|^human-labels\.jsonl$/.test(name));
  return Promise.all(told.map((name) => entryOf(dir, join(folder, name))));
}

async function entryOf(dir: string, name: string): Promise<string> {
  const info = await stat(join(dir, name)).catch(() => null);
  // A folder changes with what is put beside its files for a moment.
  return info === null || info.isDirectory() ? name : `${name} ${info.size} ${info.mtimeMs}`;
}
