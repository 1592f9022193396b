// The program's name in hints: what a person would type where the process was started.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { programName, shellWord, sipfCommand } from './errors.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'sipf-name-')));
const checkout = join(home, 'checkout');
const installed = join(home, 'app', 'node_modules', 'sipf');
for (const root of [checkout, installed]) {
  mkdirSync(join(root, 'dist', 'cli'), { recursive: true });
  writeFileSync(join(root, 'dist', 'cli', 'main.js'), '');
}
mkdirSync(join(checkout, 'src'));
writeFileSync(join(checkout, 'src', 'errors.ts'), '');
symlinkSync(checkout, join(home, 'link'));
const main = (root: string) => join(root, 'dist', 'cli', 'main.js');

it.each([
  ['a checkout, in its folder', main(checkout), checkout, checkout, {}, 'npm run -s sipf --'],
  ['a checkout through a link', main(join(home, 'link')), join(home, 'link'), checkout, {}, 'npm run -s sipf --'],
  [
    'a worker of a checkout',
    join(checkout, 'dist', 'backends', 'worker.js'),
    checkout,
    checkout,
    {},
    'npm run -s sipf --',
  ],
  ['a checkout, from elsewhere', main(checkout), home, checkout, {}, `node ${main(checkout)}`],
  ['an installed package', main(installed), join(home, 'app'), installed, {}, 'sipf'],
  ['its link in the path', '/usr/local/bin/sipf', home, installed, {}, 'sipf'],
  ['a linked checkout', '/usr/local/bin/sipf', checkout, checkout, {}, 'sipf'],
  ['npx', join(home, 'app', 'node_modules', '.bin', 'sipf'), home, installed, { npm_command: 'exec' }, 'npx sipf'],
  ["another program's library", join(home, 'app', 'index.js'), home, installed, {}, 'sipf'],
  ['tests of a checkout', join(checkout, 'node_modules', 'vitest', 'vitest.mjs'), checkout, checkout, {}, 'sipf'],
  ['no script at all', '', home, checkout, {}, 'sipf'],
] as const)('%s', (_what, script, folder, root, env, name) => {
  expect(programName({ script, folder, env }, root)).toBe(name);
});

it('words with spaces and signs are one word for a shell', () => {
  expect(sipfCommand('run', '--out', 'my run')).toBe("sipf run --out 'my run'");
  for (const word of ['a b', "it's", '$HOME', '', '*', 'a;b', 'é', '"', '\\', 'a\nb']) {
    const { stdout } = spawnSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' });
    expect(stdout).toBe(word);
  }
});
