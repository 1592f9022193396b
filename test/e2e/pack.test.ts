// What `npm pack` ships: every file that dist needs, and nothing else.
// scripts/check-package.mjs installs and runs it, in CI.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { buildCli, root } from './run-cli.ts';

let files: string[] = [];
beforeAll(() => {
  buildCli();
  const packed = spawnSync('npm', ['pack', '--dry-run', '--json'], { cwd: root, encoding: 'utf8' });
  const [report] = JSON.parse(packed.stdout) as { files: { path: string }[] }[];
  files = report!.files.map(({ path }) => path);
});

it('ships what package.json points at', () => {
  const { bin, exports, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
    exports: Record<string, Record<string, string>>;
    dependencies: Record<string, string>;
  };
  const targets = [...Object.values(bin), ...Object.values(exports).flatMap((entry) => Object.values(entry))];
  for (const target of targets) expect(files).toContain(posix.normalize(target));
  expect(Object.keys(dependencies)).toContain('onnxruntime-node');
  expect(readFileSync(join(root, bin.sipf!), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

it('ships every file that its files import', () => {
  const missing: string[] = [];
  for (const file of files.filter((path) => path.endsWith('.js'))) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/(?:from|import|import\(|new URL\()\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
      const path = posix.join(dirname(file), target);
      if (!files.includes(path)) missing.push(`${file} -> ${target}`);
    }
  }
  expect(missing).toEqual([]);
});

it('ships the program that trains by torch, whole', () => {
  const python = readdirSync(join(root, 'src', 'trainers', 'python'), { recursive: true, encoding: 'utf8' });
  const wanted = python.filter((path) => /\.(?:py|txt)$/.test(path)).map((path) => path.replaceAll('\\', '/'));
  expect(wanted).toContain('train.py');
  expect(wanted).toContain('requirements.txt');
  for (const path of wanted) expect(files).toContain(`dist/trainers/python/${path}`);
  expect(files.filter((path) => /__pycache__|\.pyc$/.test(path))).toEqual([]);
});

it('ships neither sources nor tests nor fixtures', () => {
  expect(files.filter((path) => /^(src|test|bench|scripts|experiments)\/|\.test\.|\.ci/.test(path))).toEqual([]);
});
