// A completed stage -> the file that says so, written last, and its checks on resume.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ON_UNSAID } from '../described.ts';
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

/** Below the run's folder or address. */
export function markerName({ folder, name }: StageName): string {
  return `${folder}/done/${name}.json`;
}

export function markerPath(dir: string, stage: StageName): string {
  return join(dir, markerName(stage));
}

/** Whether any stage of the run is complete. */
export async function hasMarkers(dir: string): Promise<boolean> {
  return (await readdir(dir, { recursive: true })).some(isMarkerPath);
}

export function isMarkerPath(path: string): boolean {
  return /(?:^|[\\/])done[\\/][^\\/]+\.json$/.test(path);
}

/** null: the stage is not complete. */
export function readMarker(dir: string, stage: StageName): Promise<Marker | null> {
  return readJson(markerPath(dir, stage), Marker);
}

/** Where a stage's inputs are others than its marker's. A setting that came after the marker and is off (false, null) is none. */
export function inputChanges(marker: Marker, inputs: Marker['inputs']): Difference[] {
  return jsonDifference(marker.inputs, JSON.parse(JSON.stringify(inputs))).filter((change) => !isLater(change));
}

function isLater({ key, from, to }: Difference): boolean {
  if (from !== undefined) return false;
  return to === null || (to === false && !ON_UNSAID.includes(key.split('.').at(-1) ?? ''));
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
  checkInputs(stage, marker, inputs, `with --from-run ${dir}`);
  await checkOutputs(dir, stage, marker, dir);
}

/** @throws SipfError 'config-changed' where a stage was made from other inputs. `elsewhere`: how a new run starts. */
export function checkInputs(
  { folder, name }: StageName,
  marker: Marker,
  inputs: Marker['inputs'],
  elsewhere: string,
): void {
  const changes = inputChanges(marker, inputs);
  if (changes.length === 0) return;
  throw new SipfError(
    'config-changed',
    `Expected the inputs that ${folder}/${name} was made from, got others:\n${changesOf(changes)}\nRestore them (data or model files have changed), or start a new run ${elsewhere}.`,
  );
}

/** @throws SipfError 'bad-input' where an output in `dir` is not what its stage wrote. `from`: where it is from, in messages. */
export async function checkOutputs(dir: string, stage: StageName, marker: Marker, from: string): Promise<void> {
  for (const [output, expected] of Object.entries(marker.outputs)) {
    const hash = await hashPath(join(dir, stage.folder, output));
    if (hash === expected) continue;
    throw new SipfError(
      'bad-input',
      `Expected ${from}/${stage.folder}/${output} as its stage wrote it (SHA-256 ${expected.slice(0, 12)}), got ${hash === null ? 'no file' : `other content (${hash.slice(0, 12)})`}. Restore it, or delete ${from}/${markerName(stage)} to compute it again.`,
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
  return text === null ? null : parseJson(text, schema, path);
}

/** What a file of this program says. @throws SipfError 'bad-input' naming `path` where it is none. */
export function parseJson<T>(text: string, schema: z.ZodType<T>, path: string): T {
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
