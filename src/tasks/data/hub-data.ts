// A data set on the Hugging Face hub and a split -> local files, downloaded once.
import { readdir, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { downloadFile, listFiles } from '@huggingface/hub';
import { messageOf, SipfError } from '../../errors.ts';
import { makeFolders } from '../../io/folders.ts';
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

/** The files of a split, from the cache or the hub. Throws SipfError 'not-found' saying what to do, also offline. */
export async function hubSplit(
  set: HubSet,
  split: Split,
  layout: Layout,
  options: HubOptions = {},
): Promise<SplitFiles> {
  const cache = resolve(options.cache ?? process.env.SIPF_CACHE ?? join(homedir(), '.cache', 'sipf'));
  const folder = join(cache, 'datasets', set.repo.replace('/', '--'));
  const cached = await chooseCached(folder, split, layout);
  if (cached !== null) return cached;
  try {
    const names: string[] = [];
    for await (const entry of listFiles({
      repo: { type: 'dataset', name: set.repo },
      path: set.folder,
      recursive: true,
      ...hub(options),
    })) {
      if (entry.type === 'file') names.push(entry.path);
    }
    const chosen = chooseFiles(names, split, layout);
    if (chosen === null) throw new Error(`no ${split} file among ${names.slice(0, 10).join(', ')}`);
    for (const name of names) if (isDataFile(name)) await download(set.repo, name, folder, options);
    await writeFile(join(folder, MARKER), '');
    return { ...chosen, files: chosen.files.map((name) => join(folder, name)) };
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected to download the data set ${set.repo} from the hub, got: ${messageOf(cause)}. Check the network, or name a local file or folder with --data.`,
      { cause },
    );
  }
}

function hub({ hubUrl }: HubOptions): { hubUrl?: string; accessToken?: string } {
  const token = process.env.HF_TOKEN;
  return { ...(hubUrl === undefined ? {} : { hubUrl }), ...(token ? { accessToken: token } : {}) };
}

const MARKER = 'complete';

/** All data files come down together, the marker last: a broken download is never taken for the whole. */
async function chooseCached(folder: string, split: Split, layout: Layout): Promise<SplitFiles | null> {
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const chosen = names.includes(MARKER) ? chooseFiles(names.filter(isDataFile).sort(), split, layout) : null;
  return chosen === null ? null : { ...chosen, files: chosen.files.map((name) => join(folder, name)) };
}

async function download(repo: string, name: string, folder: string, options: HubOptions): Promise<void> {
  if (name.split('/').includes('..')) throw new Error(`the file name ${name} leaves its folder`);
  const target = join(folder, name);
  const blob = await downloadFile({ repo: { type: 'dataset', name: repo }, path: name, ...hub(options) });
  if (blob === null) throw new Error(`${name} is not there`);
  await makeFolders(dirname(target));
  const part = `${target}.${process.pid}.part`;
  await writeFile(part, new Uint8Array(await blob.arrayBuffer()));
  await rename(part, target);
}
