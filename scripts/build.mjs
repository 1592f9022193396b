// src/ and viewer/ -> dist/ with tsc, esbuild and copied Python files; `--if-stale` builds where a source is newer.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json'];

/** Modification time of the newest file or folder (a deleted file changes its folder's). */
function newest(folder) {
  let time = statSync(folder).mtimeMs;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

function isFresh() {
  const marker = join(dist, '.built');
  if (!existsSync(marker)) return false;
  const times = settings.map((name) => statSync(join(root, name)).mtimeMs);
  return statSync(marker).mtimeMs >= Math.max(newest(join(root, 'src')), newest(join(root, 'viewer')), ...times);
}

/** Puts `built` in the place of dist; another build may be doing the same at this moment. */
function swapIn(built) {
  const old = `${built}.old`;
  for (let attempt = 0; ; attempt++) {
    try {
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(built, dist);
      break;
    } catch (error) {
      if (attempt === 20 || !['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error;
      rmSync(old, { recursive: true, force: true });
    }
  }
  rmSync(old, { recursive: true, force: true });
}

async function build() {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(tsc)) {
    console.error('The compiler is not installed. Run `npm ci` first.');
    process.exit(2);
  }
  const started = new Date();
  const out = join(root, '.cache', `build-${process.pid}`);
  const compiled = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', out], {
    stdio: ['ignore', 2, 2],
  });
  if (compiled.status !== 0) {
    rmSync(out, { recursive: true, force: true });
    process.exit(compiled.status ?? 1);
  }
  // The compiler leaves out Python.
  for (const room of ['sandboxes', 'trainers']) {
    const python = join(room, 'python');
    cpSync(join(root, 'src', python), join(out, python), {
      recursive: true,
      filter: (path) => !path.endsWith('__pycache__'),
    });
  }
  mkdirSync(join(out, 'viewer'), { recursive: true });
  const { buildPage, licences } = await import('./build-page.mjs');
  writeFileSync(join(out, 'viewer', 'page.html'), await buildPage(root));
  writeFileSync(join(out, 'viewer', 'LICENSES.txt'), licences(root));
  const marker = join(out, '.built');
  writeFileSync(marker, '');
  // The start, not the end: a source saved during the build is newer.
  utimesSync(marker, started, started);
  swapIn(out);
}

if (!process.argv.includes('--if-stale') || !isFresh()) await build();
