// A path -> a folder there, with every folder above it. Instead of mkdir's `recursive`, which never ends where a folder above refuses children with ENOENT, as /proc does.
import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeInWords, SipfError } from '../errors.ts';

/** Does nothing where the folder is there. Throws SipfError 'write-failed' where it cannot be made. */
export async function makeFolders(path: string): Promise<void> {
  try {
    await makeWithParents(path);
  } catch (error) {
    throw cannotMake(path, error);
  }
}

function cannotMake(path: string, error: unknown): SipfError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return new SipfError(
    'write-failed',
    `Expected to make the folder ${path}, got ${code === 'EEXIST' ? 'a file there' : codeInWords(code)}. Name another path, or fix what is in the way.`,
    { cause: error },
  );
}

/** Throws SipfError 'write-failed' where a folder at `path` plainly cannot be made or written to. Makes nothing. */
export async function checkCanWrite(path: string): Promise<void> {
  let at = path;
  for (;;) {
    const found = await stat(at).catch((error: NodeJS.ErrnoException) => error);
    if (!(found instanceof Error)) {
      if (!found.isDirectory()) throw cannotMake(path, { code: at === path ? 'EEXIST' : 'ENOTDIR' });
      return await access(at, constants.W_OK).catch((error: unknown) => {
        throw cannotMake(path, error);
      });
    }
    if (at === dirname(at) || (found.code !== 'ENOENT' && found.code !== 'ENOTDIR')) throw cannotMake(path, found);
    at = dirname(at);
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
