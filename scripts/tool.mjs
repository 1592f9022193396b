// A driver of bench/ or experiments/ and its words -> the driver, compiled against dist/ and run.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [driver = '', ...words] = process.argv.slice(2);

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

run(join(root, 'scripts', 'build.mjs'), '--if-stale');
run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'tsconfig.tools.json'));

const entry = join(root, '.cache', 'tools', `${driver}.js`);
process.argv = [process.argv[0], entry, ...words];
await import(entry);
