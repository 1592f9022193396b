// What a command is to write and what it reads -> a refusal where one would destroy the other.
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { ReadPath } from '../config/paths.ts';
import { SipfError } from '../errors.ts';
import { checkCanWrite, isTemporary } from '../io/files.ts';
import { isRun } from '../run/no-run.ts';

interface OutFile {
  /** `eval`: who asks. */
  readonly command: string;
  readonly out: string;
  readonly reads: readonly ReadPath[];
  /** Fields of the records that the command writes: a file without them is somebody else's. */
  readonly fields: readonly string[];
}

/** Names of open files of any kind: `/dev/stdout` may be a file that a shell made. */
const OF_THE_SYSTEM = /^\/(?:dev|proc|sys)\//;

/** Longest first line of a record file that is looked at, in bytes. */
const FIRST_LINE = 4 << 20;

/**
 * Looks at where a JSONL file is to go, and the journal beside it.
 * @throws SipfError 'bad-input' where that is an input, inside a model, no regular file, or a file that this command has not written;
 *   'write-failed' where its folder takes none.
 */
export async function checkOutFile({ command, out, reads, fields }: OutFile): Promise<void> {
  for (const path of [out, `${out}.journal`]) await refuseInputs(command, path, reads);
  await refuseOther(command, out, () => isRecordFile(out, fields));
  const journal = await statOf(`${out}.journal`);
  if (journal !== null && !(journal.isFile() && '{"journal":1'.startsWith(await startOf(`${out}.journal`, 12))))
    throw refusal(command, `room for ${out}.journal`, 'something else there', 'Name another path, or move that away.');
  await checkCanWrite(dirname(resolve(out)));
}

/**
 * Looks at where a text file is to go; an earlier output has `mark` in it, near its beginning.
 * @throws SipfError 'bad-input' where that is inside the stages of a run, no regular file, or a file that this command has not written;
 *   'write-failed' where its folder takes none.
 */
export async function checkOutText(command: string, out: string, mark: string): Promise<void> {
  await refuseInputs(command, out, []);
  await refuseOther(command, out, async () => (await startOf(out, FIRST_LINE)).includes(mark));
  await checkCanWrite(dirname(resolve(out)));
}

async function refuseOther(command: string, out: string, isOwn: () => Promise<boolean>): Promise<void> {
  const info = await statOf(out);
  if (info?.isDirectory()) throw refusal(command, 'a file', `${out}, which is a folder`, 'Name a file in it.');
  if ((info !== null && !info.isFile()) || OF_THE_SYSTEM.test(resolve(out)))
    throw refusal(command, 'a file', `${out}, which is a device or a pipe`, 'Name a file, and read that.');
  if (info === null || info.size === 0 || (await isOwn())) return;
  const expected = `a new file or an earlier output of sipf ${command}`;
  throw refusal(command, expected, `${out}, which holds something else`, 'Name another path, or delete that file.');
}

/** Names that a training leaves in its folder: with one of them it is an earlier output, which the training itself looks at closely. */
const OF_TRAINING = ['training.json', 'checkpoint', 'diverged-batch.json'];

/**
 * Looks at where a trained model is to go.
 * @throws SipfError 'bad-input' where that is an input, around or inside one, a file, or a folder with other things in it.
 */
export async function checkOutModel(command: string, out: string, reads: readonly ReadPath[]): Promise<void> {
  await refuseInputs(command, out, reads);
  const names = await namesIn(command, out);
  if (names.length === 0 || OF_TRAINING.some((name) => names.includes(name))) return;
  const expected = `a new folder or an earlier output of sipf ${command}`;
  throw refusal(command, expected, `${out} with ${some(names)}`, 'Name another folder.');
}

/**
 * Looks at where a command is to write something that was not there.
 * @throws SipfError 'bad-input' where something is there, or where that is inside one of `models`.
 */
export async function checkOutNew(command: string, out: string, models: readonly string[]): Promise<void> {
  const reads = models.map((path): ReadPath => ({ name: 'the model', path, kind: 'model' }));
  await refuseInputs(command, out, reads);
  if ((await statOf(out)) !== null)
    throw refusal(command, 'a new path', `${out}, which is there`, 'Name another path, or delete that.');
}

/** What a run that was killed in its first moments may leave, and what says nothing about a folder. */
const OF_NO_RUN = new Set(['lock', 'lock.turn', 'events.jsonl', '.gitkeep', '.gitignore', '.DS_Store']);

/**
 * Looks at where a run is to go.
 * @throws SipfError 'bad-input' where that is an input, around or inside one, a file, or a folder that holds no run but other things.
 */
export async function checkOutRun(out: string, reads: readonly ReadPath[]): Promise<void> {
  await refuseInputs('run', out, reads);
  const names = (await namesIn('run', out)).filter((name) => !OF_NO_RUN.has(name) && !isTemporary(name));
  if (names.length === 0 || (await isRun(out))) return;
  const what = names.includes('config.json') ? 'whose config.json is not of a run' : `with ${some(names)} and no run`;
  throw refusal('run', 'a new folder or a run', `${out} ${what}`, 'Name another folder.');
}

async function refuseInputs(command: string, out: string, reads: readonly ReadPath[]): Promise<void> {
  if (out === '') throw refusal(command, 'a path', 'an empty one', 'Name one.');
  for (const { name, path, kind } of reads) {
    if (path === '-') continue;
    if (await isSame(out, path))
      throw refusal(command, 'another path than what it reads', `${out}, which is ${name}`, ANOTHER);
    for (const folder of kind === 'model' ? await above(out) : [])
      if (await isSame(folder, path))
        throw refusal(command, 'a path outside its models', `${out}, which is inside ${name} ${path}`, ANOTHER);
  }
  const run = await runOfStage(out);
  if (run !== null)
    throw refusal(command, 'a path outside the stages of a run', `${out}, which is inside the run ${run}`, ANOTHER);
}

/** The run in whose stages a path is; null: in none. Their markers hold the hash of everything there. */
async function runOfStage(path: string): Promise<string | null> {
  for (const folder of [await realOf(path), ...(await above(path))])
    if (/^(?:iteration-\d+|final)$/.test(basename(folder)) && (await isRun(dirname(folder)))) return dirname(folder);
  return null;
}

const ANOTHER = 'Name another path.';

/** Whether both are one file or folder, by any names: links of both kinds, other letters where the disk takes them for the same. */
async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = [await statOf(a), await statOf(b)];
  if (one === null || other === null) return (await realOf(a)) === (await realOf(b));
  return one.dev === other.dev && one.ino === other.ino;
}

/** The folders above a path, links followed, whether or not the path itself is there. */
async function above(path: string): Promise<string[]> {
  const folders: string[] = [];
  for (let at = await realOf(path), next = dirname(at); next !== at; next = dirname(at)) {
    folders.push(next);
    at = next;
  }
  return folders;
}

/** The path without links, for as much of it as there is. */
async function realOf(path: string): Promise<string> {
  const full = resolve(path);
  const real = await realpath(full).catch(() => null);
  return real ?? (dirname(full) === full ? full : join(await realOf(dirname(full)), basename(full)));
}

/** null: nothing there, or nothing that we may look at; the reader that opens it says why. */
function statOf(path: string) {
  return stat(path).catch(() => null);
}

async function namesIn(command: string, folder: string): Promise<string[]> {
  const info = await statOf(folder);
  if (info === null) return [];
  if (!info.isDirectory()) throw refusal(command, 'a folder', `${folder}, which is a file`, ANOTHER);
  return readdir(folder);
}

async function isRecordFile(path: string, fields: readonly string[]): Promise<boolean> {
  try {
    const [line = ''] = (await startOf(path, FIRST_LINE)).split('\n');
    const value: unknown = JSON.parse(line);
    return value !== null && typeof value === 'object' && fields.every((field) => field in value);
  } catch {
    return false;
  }
}

async function startOf(path: string, bytes: number): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(bytes, Math.max(1, size))));
  return buffer.toString('utf8', 0, bytesRead);
}

function some(names: readonly string[]): string {
  const shown = [...names].sort().slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more in it` : `${shown} in it`;
}

function refusal(command: string, expected: string, got: string, advice: string): SipfError {
  return new SipfError('bad-input', `Expected --out of sipf ${command} to be ${expected}, got ${got}. ${advice}`);
}
