// A completed stage -> the file that says so, written last, and its checks on resume.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, SipfError } from '../errors.ts';
import { type Difference, jsonDifference } from '../hashing.ts';
import { check } from '../io/check.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { hashPath } from '../io/file-hashes.ts';

/** Where a stage stands: `iteration-1/1-samples`, or `final/...`. */
export interface StageName {
  readonly folder: string;
  readonly name: string;
  readonly iteration: number;
}

/** The file of a stage's records. */
export function recordsFile({ name }: StageName): string {
  return `${name}.jsonl`;
}

/** What a stage read and wrote, by hash, and its figures. `inputs` are kept whole, so that a difference can be named. */
export const Marker = z.object({
  stage: z.string(),
  inputs: z.record(z.string(), z.unknown()),
  outputs: z.record(z.string(), z.string()),
  result: z.unknown(),
});
export type Marker = z.infer<typeof Marker>;

export function markerPath(dir: string, { folder, name }: StageName): string {
  return join(dir, folder, 'done', `${name}.json`);
}

/** Whether any stage of the run is complete. */
export async function hasMarkers(dir: string): Promise<boolean> {
  const names = await readdir(dir, { recursive: true });
  return names.some((name) => /(?:^|[\\/])done[\\/][^\\/]+\.json$/.test(name));
}

/** null: the stage is not complete. */
export function readMarker(dir: string, stage: StageName): Promise<Marker | null> {
  return readJson(markerPath(dir, stage), Marker);
}

/** Where a stage's inputs are others than its marker's. A setting that came after the marker and is off (false, null) is none. */
export function inputChanges(marker: Marker, inputs: Marker['inputs']): Difference[] {
  const isLater = ({ from, to }: Difference) => from === undefined && (to === false || to === null);
  return jsonDifference(marker.inputs, JSON.parse(JSON.stringify(inputs))).filter((change) => !isLater(change));
}

/**
 * Checks that a completed stage still stands.
 * @throws SipfError 'config-changed' where its inputs are others now, 'bad-input' where an output is not what it wrote.
 */
export async function checkMarker(
  dir: string,
  stage: StageName,
  marker: Marker,
  inputs: Marker['inputs'],
): Promise<void> {
  const changes = inputChanges(marker, inputs);
  if (changes.length > 0) {
    throw new SipfError(
      'config-changed',
      `Expected the inputs that ${stage.folder}/${stage.name} was made from, got others:\n${changesOf(changes)}\nRestore them (data or model files have changed), or start a new run with --from-run ${dir}.`,
    );
  }
  for (const [output, expected] of Object.entries(marker.outputs)) {
    const path = join(dir, stage.folder, output);
    const hash = await hashPath(path);
    if (hash === expected) continue;
    throw new SipfError(
      'bad-input',
      `Expected ${path} as its stage wrote it (SHA-256 ${expected.slice(0, 12)}), got ${hash === null ? 'no file' : `other content (${hash.slice(0, 12)})`}. Restore it, or delete ${markerPath(dir, stage)} to compute it again.`,
    );
  }
}

/** One line a difference. */
export function changesOf(changes: readonly Difference[]): string {
  const words = (value: unknown) => JSON.stringify(value) ?? 'none';
  return changes.map(({ key, from, to }) => `  ${key}: ${words(from)} -> ${words(to)}`).join('\n');
}

/**
 * A file this program wrote; null: it is not there.
 * @throws SipfError 'bad-input' naming it where it is none.
 */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readTextFile(path);
  if (text === null) return null;
  return check(schema, jsonOf(text, path), path, RESTORE);
}

const RESTORE = 'Restore it or start another run directory.';

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected a file of this program at ${path}, got text that is not JSON (${messageOf(cause)}). ${RESTORE}`,
      { cause },
    );
  }
}
