// A run directory -> its artefacts by name, a character a byte, without events and the lock.
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

export async function artefacts(dir: string): Promise<Map<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const kept = files.map((path) => relative(dir, path)).filter((name) => name !== 'events.jsonl' && name !== 'lock');
  return new Map(
    await Promise.all(kept.sort().map(async (name) => [name, await readFile(join(dir, name), 'latin1')] as const)),
  );
}
