// A data set on the Hugging Face hub and a split -> local files, downloaded once.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SipfError } from '../../errors.ts';
import { cacheFolder } from '../../io/cache.ts';
import { hubFiles, isOffline } from '../../io/hub.ts';
import { downloadHubFile } from '../../io/hub-download.ts';
import type { Split } from '../../task.ts';
import { chooseFiles, isDataFile, type Layout, type SplitFiles } from './data-files.ts';

export interface HubOptions {
  /** Cache folder; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  /** Another hub's address. */
  readonly hubUrl?: string | undefined;
}

export interface HubSet {
  /** `owner/name` of a data set. */
  readonly repo: string;
  /** Folder inside the repository that holds the wanted configuration; empty: all of it. */
  readonly folder: string;
}

/**
 * The files of a split, from the cache or the hub.
 * @throws SipfError 'not-found' saying what to do, also offline.
 */
export async function hubSplit(
  set: HubSet,
  split: Split,
  layout: Layout,
  options: HubOptions = {},
): Promise<SplitFiles> {
  const folder = join(cacheFolder(options), 'datasets', set.repo.replace('/', '--'));
  const cached = await chooseCached(folder, split, layout);
  if (cached !== null) return cached;
  try {
    if (isOffline()) throw new Error('no network, as HF_HUB_OFFLINE is set');
    const repo = { type: 'dataset', name: set.repo, hubUrl: options.hubUrl } as const;
    const files = await hubFiles(repo, set.folder);
    const names = files.map(({ path }) => path);
    const chosen = chooseFiles(folder, names, split, layout);
    if (chosen === null) throw new Error(`no ${split} file among ${names.slice(0, 10).join(', ')}`);
    for (const file of files) if (isDataFile(file.path)) await downloadHubFile(repo, file, join(folder, file.path));
    await writeFile(join(folder, MARKER), '');
    return chosen;
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected to download the data set ${set.repo} from the hub, got: ${messageOf(cause)}. Check the network, or name a local file or folder with --data.`,
      { cause },
    );
  }
}

const MARKER = 'complete';

/** All data files come down together, the marker last: a broken download is never taken for the whole. */
async function chooseCached(folder: string, split: Split, layout: Layout): Promise<SplitFiles | null> {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  return names.includes(MARKER) ? chooseFiles(folder, names.filter(isDataFile).sort(), split, layout) : null;
}
