// src/ -> dist/ with tsc. `--if-stale` builds only when a source or setting is newer than the last build.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const marker = join(root, 'dist', '.built');

function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

function isFresh() {
  if (!existsSync(marker)) return false;
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json'].map((name) => statSync(join(root, name)).mtimeMs);
  return statSync(marker).mtimeMs >= Math.max(newest(join(root, 'src')), ...settings);
}

if (!process.argv.includes('--if-stale') || !isFresh()) {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(tsc)) {
    console.error('The compiler is not installed. Run `npm ci` first.');
    process.exit(2);
  }
  const built = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: ['ignore', 2, 2] });
  if (built.status !== 0) process.exit(built.status ?? 1);
  writeFileSync(marker, '');
}
