// A run directory and this process -> the one writer's lock. Readers need none.
import { randomUUID } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { type Disk, isAlive } from '../io/files.ts';
import { startOf } from '../io/processes.ts';

/** Where a lock was taken: a folder that was copied since, lock and all, is another place. */
const Place = z.object({ inode: z.string(), path: z.string() });
type Place = z.infer<typeof Place>;

const Holder = z.object({
  pid: z.number().int(),
  started: z.string().nullable(),
  host: z.string(),
  token: z.string(),
  place: Place.optional(),
});
type Holder = z.infer<typeof Holder>;

/**
 * The lock of a run directory, taken while a process writes there; a holder that is gone (kill -9) is recognised by its pid and start time.
 * @throws SipfError 'locked' while another live process (or this one) has it.
 */
export async function takeLock(disk: Disk, dir: string, pid: number = process.pid): Promise<AsyncDisposable> {
  const path = join(dir, 'lock');
  const place = await placeOf(dir);
  const mine: Holder = { pid, started: await startOf(pid), host: hostname(), token: randomUUID(), place };
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (await disk.create(path, JSON.stringify(mine)))
      return { [Symbol.asyncDispose]: () => release(disk, path, mine.token) };
    const text = await settledText(path);
    if (text === null) continue;
    const holder = parseHolder(text);
    if (holder !== null && (await isTaken(holder, place))) throw locked(dir, holder);
    await removeStale(disk, path, text, mine);
  }
  throw new SipfError(
    'locked',
    `Expected to be the only writer of ${dir}, got others starting at the same time. Try again.`,
  );
}

/** @throws SipfError 'locked' where `takeLock` would now. */
export async function checkLock(dir: string): Promise<void> {
  const text = await settledText(join(dir, 'lock'));
  const holder = text === null ? null : parseHolder(text);
  if (holder !== null && (await isTaken(holder, await placeOf(dir)))) throw locked(dir, holder);
}

async function release(disk: Disk, path: string, token: string): Promise<void> {
  const text = await readTextFile(path);
  if (text === null || parseHolder(text)?.token !== token) return;
  // On a disk that refuses this too, the lock stays: the next run sees that this process is gone.
  await disk.remove(path).catch((error: unknown) => {
    if (!(error instanceof SipfError)) throw error;
  });
}

/** The lock's text; one that is not whole yet may be in the middle of being written, so it gets a moment. */
async function settledText(path: string): Promise<string | null> {
  const text = await readTextFile(path);
  if (text === null || parseHolder(text) !== null) return text;
  await new Promise((resolve) => setTimeout(resolve, 200));
  return readTextFile(path);
}

/**
 * Removes a dead holder's lock. Starters that see the same dead lock take turns through a file of their own, and each looks again before it
 * removes: a lock that someone took in the meantime is another text and stays. A starter that died in its turn (milliseconds) is cleared away.
 */
async function removeStale(disk: Disk, path: string, stale: string, mine: Holder): Promise<void> {
  const gate = `${path}.turn`;
  if (!(await disk.create(gate, JSON.stringify(mine)))) {
    const other = await settledText(gate);
    const holder = other === null ? null : parseHolder(other);
    if (other !== null && (holder === null || !(await isTaken(holder, mine.place)))) await disk.remove(gate);
    else await new Promise((resolve) => setTimeout(resolve, 20));
    return;
  }
  if ((await readTextFile(path)) === stale) await disk.remove(path);
  await disk.remove(gate);
}

function parseHolder(text: string): Holder | null {
  try {
    return Holder.parse(JSON.parse(text));
  } catch {
    // A torn lock file was written by a process that died while writing it.
    return null;
  }
}

async function placeOf(dir: string): Promise<Place> {
  const { ino } = await stat(dir, { bigint: true });
  return { inode: String(ino), path: await realpath(dir) };
}

/** Inodes alone do not tell on one machine: some file systems number a folder anew. */
function isCopied(taken: Place, here: Place, host: string): boolean {
  return taken.inode !== here.inode && (taken.path !== here.path || host !== hostname());
}

async function isTaken({ pid, started, host, place }: Holder, here: Place | undefined): Promise<boolean> {
  if (place !== undefined && here !== undefined && isCopied(place, here, host)) return false;
  // Another machine's processes cannot be seen from here: its lock stands until a person removes it.
  if (host !== hostname()) return true;
  if (!isAlive(pid)) return false;
  const now = await startOf(pid);
  return started === null || now === null || now === started;
}

function locked(dir: string, { pid, host }: Holder): SipfError {
  return new SipfError(
    'locked',
    `Expected to be the only writer of ${dir}, got process ${pid} on ${host} at work there. Wait for it, stop it, or choose another --out. If that process is gone for sure, delete ${join(dir, 'lock')}.`,
  );
}
