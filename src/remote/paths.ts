// A folder of this machine -> the same folder as another machine names it.
import { join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { described } from '../described.ts';

/** Where another machine sees what is below `from` here. */
export const PathMapping = z.strictObject({
  from: described(z.string().min(1), 'A folder here. Give the one that holds the run.'),
  to: described(z.string().min(1), 'The same folder, as the server names it. Give its path there.'),
});
export type PathMapping = z.output<typeof PathMapping>;

/** By the first mapping whose folder holds it; a folder of none has the same path there. An address, such as one in a bucket, stays as it is. */
export function pathThere(mappings: readonly PathMapping[], folder: string): string {
  if (isAddress(folder)) return folder;
  const own = resolve(folder);
  for (const { from, to } of mappings) {
    const below = relative(resolve(from), own);
    if (below.startsWith('..')) continue;
    return isAddress(to) ? `${to.replace(/\/+$/, '')}/${below.split(sep).join('/')}` : join(to, below);
  }
  return own;
}

const isAddress = (path: string): boolean => /^\w+:\/\//.test(path);
