// What kills leave behind, and paths that cannot be written: swept, left out of hashes, and said.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SipfError } from '../errors.ts';
import { hashPath } from './file-hashes.ts';
import { makeFolders, nodeDisk, removeLeftovers, replaceFile, writeFileAtomically, writeNew } from './files.ts';

/** No process has it: beyond what kernels give out. */
const GONE = 4_194_305;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-disk-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('leaves the temporary files of model folders out of hashes, and sweeps those of processes that are gone', async () => {
  const model = join(folder, 'a', 'model');
  await mkdir(model, { recursive: true });
  await writeFile(join(model, 'model.safetensors'), 'weights');
  const clean = await hashPath(join(folder, 'a'));
  const alive = [`.sipf-session-${process.ppid}-x`, `.model.safetensors.${process.ppid}.12.tmp`];
  const dead = [`.sipf-session-${GONE}-x`, `.sipf-session-${process.pid}-y`, `.model.safetensors.${GONE}.12.tmp`];
  for (const name of [...alive, ...dead]) {
    if (!name.startsWith('.sipf')) await writeFile(join(model, name), 'half');
    else {
      await mkdir(join(model, name));
      await writeFile(join(model, name, 'weights-0'), 'weights');
    }
  }
  expect(await hashPath(join(folder, 'a'))).toBe(clean);
  await removeLeftovers(nodeDisk, folder);
  expect((await readdir(model)).sort()).toEqual([...alive, 'model.safetensors'].sort());
  await writeFile(join(model, '.hidden'), 'a file of the user');
  expect(await hashPath(join(folder, 'a'))).not.toBe(clean);
});

it("says which file of the user's it cannot write", async () => {
  const path = join(folder, 'no', 'such', 'folder', 'out.jsonl');
  await expect(replaceFile(nodeDisk, path, ['x'])).rejects.toMatchObject({ code: 'write-failed' });
  await expect(replaceFile(nodeDisk, path, ['x'])).rejects.toThrow(/out\.jsonl/);
});

it('leaves no half-written draft where the disk refuses', async () => {
  const path = join(folder, 'out.jsonl');
  const full = new SipfError('write-failed', 'full');
  const disk = {
    ...nodeDisk,
    write: async (file: string) => {
      await nodeDisk.write(file, ['half']);
      throw full;
    },
  };
  await expect(replaceFile(disk, path, ['x'])).rejects.toBe(full);
  expect((await readdir(folder)).filter((name) => name.includes('out.jsonl'))).toEqual([]);
});

it('shows a new folder once it is whole, and nothing of one that failed', async () => {
  const path = join(folder, 'models', 'new');
  const write = (end: () => unknown) =>
    writeNew(path, async (draft) => {
      await writeFileAtomically(join(draft, 'weights'), ['w']);
      expect(existsSync(path)).toBe(false);
      await end();
    });
  const broken = new Error('broken');
  await expect(write(() => Promise.reject(broken))).rejects.toBe(broken);
  expect(await readdir(join(folder, 'models'))).toEqual([]);
  await write(() => {});
  expect([await readdir(join(folder, 'models')), await readdir(path)]).toEqual([['new'], ['weights']]);
  await expect(write(() => {})).rejects.toThrow(`Expected a new path, got ${path}, which is there.`);
});

it('names what a draft is to become', async () => {
  const path = join(folder, 'models', 'newer');
  const inFile = (draft: string) => nodeDisk.write(join(draft, 'no', 'weights'), ['w']);
  await expect(writeNew(path, inFile)).rejects.toThrow(`Expected to write ${join(path, 'no', 'weights')}, got`);
});

it('replaces what a link names, and keeps the link', async () => {
  const [file, link] = [join(folder, 'named.jsonl'), join(folder, 'link.jsonl')];
  await writeFile(file, 'old');
  await symlink(file, link);
  await replaceFile(nodeDisk, link, ['new']);
  expect(await readFile(file, 'utf8')).toBe('new');
  expect(await readlink(link)).toBe(file);
});

it('makes a folder and those above it, by several callers at once, and again', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolders(path), makeFolders(join(path, 'd')), makeFolders(path)]);
  await makeFolders(`${path}/`);
  expect((await stat(join(path, 'd'))).isDirectory()).toBe(true);
});

it('refuses a file in the way', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(makeFolders(join(folder, 'file'))).rejects.toThrow(/file, got a file there\./);
  await expect(makeFolders(join(folder, 'file', 'below'))).rejects.toThrow(
    'got ENOTDIR (a file is where the path needs a folder)',
  );
});

it.runIf(existsSync('/proc/self'))('ends where a folder refuses children as if it were not there', async () => {
  await expect(makeFolders('/proc/sipf/run')).rejects.toMatchObject({ code: 'write-failed' });
});
