// The packed package -> installed in an empty folder, imported, checked for types and run there.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'sipf-package-'));

/** Runs a program to its end; ends this one, showing what it printed, where it fails. */
function run(program, args, cwd) {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (done.status === 0) return done.stdout;
  console.error(`${program} ${args.join(' ')} (in ${cwd}) ended with ${done.status ?? done.error}`);
  console.error(done.stdout, done.stderr);
  process.exit(1);
}

function expect(condition, message) {
  if (condition) return;
  console.error(`Package: ${message}`);
  process.exit(1);
}

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], root));
const files = packed.files.map(({ path }) => path);
expect(files.includes('dist/index.js') && files.includes('dist/cli/main.js'), `dist is missing: ${files.join(', ')}`);
expect(
  files.includes('docs/config.schema.json'),
  'docs/config.schema.json, which configuration files name, is missing',
);
expect(files.includes('dist/viewer/page.html'), 'dist/viewer/page.html, the page of sipf view, is missing');
const stray = files.filter((path) => /\.test\.|^src\/|^viewer\/|^test\/|node_modules|\.tmp/.test(path));
expect(stray.length === 0, `files that do not belong there: ${stray.join(', ')}`);

const user = join(folder, 'user');
mkdirSync(user);
writeFileSync(join(user, 'package.json'), '{"name": "user", "private": true, "type": "module"}\n');
run(
  'npm',
  ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', join(folder, packed.filename)],
  user,
);

const program =
  "const names = Object.keys(await import('sipf')); if (names.length === 0) process.exit(3); console.log(names.length);";
const exported = run(process.execPath, ['--input-type=module', '-e', program], user).trim();
expect(existsSync(join(user, 'node_modules', 'sipf', 'dist', 'index.d.ts')), 'dist/index.d.ts is missing');
const help = run('npx', ['--no-install', 'sipf', '--help'], user);
expect(/^Usage: sipf/.test(help), `sipf --help printed ${JSON.stringify(help.slice(0, 200))}`);
writeFileSync(join(user, 'rows.jsonl'), '{"reference": "18", "completion": "The answer is 18"}\n');
const graded = run('npx', ['--no-install', 'sipf', 'grade', '--task', 'gsm8k', '--in', 'rows.jsonl', '--json'], user);
expect(JSON.parse(graded).correct === true, `sipf grade printed ${graded}`);
writeFileSync(join(user, 'formula.jsonl'), '{"reference": "2\\\\sqrt{2}", "completion": "\\\\boxed{\\\\sqrt{8}}"}\n');
const compared = run(
  'npx',
  ['--no-install', 'sipf', 'grade', '--task', 'math', '--in', 'formula.jsonl', '--json'],
  user,
);
expect(JSON.parse(compared).correct === true, `sipf grade --task math printed ${compared}`);
const address = ['generate', '--model', 's3://bucket/model', '--prompt', 'a'];
const stored = spawnSync('npx', ['--no-install', 'sipf', ...address], { cwd: user, encoding: 'utf8' });
expect(
  stored.status === 2 && stored.stderr.includes('npm install @aws-sdk/client-s3 @aws-sdk/lib-storage'),
  `a model of a bucket: ${stored.stdout}${stored.stderr}`,
);
const grading = `const { createPyodideSandbox } = await import('sipf');
const sandbox = createPyodideSandbox({ workers: 1 });
const verdict = await sandbox.grade({ code: 'def f(x): return x * x', tests: ['assert f(2) == 4'], entryPoint: 'f' });
await sandbox[Symbol.asyncDispose]();
console.log(verdict.kind);`;
const said = run(process.execPath, ['--input-type=module', '-e', grading], user).trim();
expect(said === 'right', `the sandbox said ${said}`);
for (const part of ['backends', 'tasks', 'engine']) {
  const names = `console.log(Object.keys(await import('sipf/${part}')).length)`;
  expect(Number(run(process.execPath, ['--input-type=module', '-e', names], user)) > 1, `sipf/${part} exports nothing`);
  expect(existsSync(join(user, 'node_modules', 'sipf', 'dist', part, 'index.d.ts')), `sipf/${part} has no types`);
}
for (const name of ['one-round.mjs', 'own-engine.mjs'])
  cpSync(join(user, 'node_modules', 'sipf', 'examples', name), join(user, name));
const round = run(process.execPath, ['one-round.mjs'], user);
expect(/round 1: mini \d+ of 32 right/.test(round), `examples/one-round.mjs printed ${round}`);
const own = spawnSync(
  'npx',
  ['--no-install', 'sipf', 'run', '--preset', 'smoke', '--iterations', '0', '--engine.module', 'own-engine.mjs'],
  { cwd: user, encoding: 'utf8' },
);
expect(own.status === 0 && own.stderr.includes('draws from'), `examples/own-engine.mjs: ${own.stdout}${own.stderr}`);
console.log(
  `package ${packed.filename}: ${files.length} files, ${packed.size} bytes packed, ${exported} exports, the command, the sandbox and the examples run`,
);
