// A path -> a folder there, with every folder above it. Instead of mkdir's `recursive`, which never ends where a folder above refuses children with ENOENT, as /proc does.
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SipfError } from './errors.ts';

/** Does nothing where the folder is there. Throws SipfError 'write-failed' where it cannot be made. */
export async function makeFolders(path: string): Promise<void> {
  try {
    await makeWithParents(path);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new SipfError(
      'write-failed',
      `Expected to make the folder ${path}, got ${code === 'EEXIST' ? 'a file there' : code}. Name another path, or mend what is in the way.`,
      { cause: error },
    );
  }
}

async function makeWithParents(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error;
    await makeWithParents(above);
    await makeOne(path);
  }
}

/** Another process may have made it meanwhile. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}
