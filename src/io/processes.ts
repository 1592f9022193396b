// A process id -> when that process started: the id alone may be another process's by now.
import { readFile } from 'node:fs/promises';

/** Process states of Linux: zombie, dead. */
const ENDED = new Set(['Z', 'X']);

/** Start time of a process in clock ticks since boot, with the boot's id; null where the system does not tell. One that has ended has none. */
export async function startOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, threads, started] = [fields[0] as string, Number(fields[17]), fields[19]];
    // Killed, all of it, and not yet collected by its parent, which in a container may never do so.
    if (ENDED.has(state) && threads <= 1) return 'ended';
    return `${boot.trim()}/${started}`;
  } catch {
    return null;
  }
}
