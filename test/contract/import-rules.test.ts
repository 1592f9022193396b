// biome.json -> proof that each of its import rules refuses what it should and lets through what it should.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const RULE = 'lint/style/noRestrictedImports';

/** [file, its imports, allowed?] */
const CASES: readonly (readonly [string, string, boolean])[] = [
  ['src/engine/a1.ts', "import { x } from '../models/x.ts';", false],
  ['src/engine/a2.ts', "import type { x } from '../records.ts';", false],
  ['src/engine/a3.ts', "export { x } from '../tasks/x.ts';", false],
  ['src/engine/a4.ts', "const x = await import('../cli/x.ts');", false],
  ['src/engine/a5.ts', "import ort from 'onnxruntime-node';", false],
  ['src/engine/a6.ts', "import { x } from '../errors.ts';\nimport { y } from './y.ts';", true],
  ['src/engine/session.ts', "import ort from 'onnxruntime-node';", true],
  ['src/engine/ops/b1.ts', "import { x } from '../graph.ts';\nimport { y } from '../../errors.ts';", true],
  ['src/engine/ops/b2.ts', "import { x } from '../../models/x.ts';", false],
  ['src/models/a1.ts', "import { x } from '../engine/x.ts';\nimport { y } from '../errors.ts';", true],
  ['src/models/a2.ts', "import { x } from '../training/x.ts';", false],
  ['src/models/a3.ts', "import { x } from '../inference/x.ts';", false],
  ['src/models/a4.ts', "import { x } from '../records.ts';", false],
  [
    'src/inference/a1.ts',
    "import { x } from '../models/x.ts';\nimport type { y } from '../backends/backend.ts';",
    true,
  ],
  ['src/inference/a2.ts', "import { x } from '../training/x.ts';", false],
  ['src/inference/a3.ts', "import { x } from '../backends/in-process.ts';", false],
  ['src/training/a1.ts', "import { x } from '../engine/x.ts';\nimport { y } from '../random.ts';", true],
  ['src/training/a2.ts', "import { x } from '../inference/x.ts';", false],
  ['src/training/a3.ts', "import { x } from '../pipeline/x.ts';", false],
  ['src/tasks/a1.ts', "import { x } from './x.ts';\nimport { y } from '../records.ts';", true],
  ['src/tasks/a2.ts', "import { x } from '../backends/backend.ts';", false],
  ['src/tasks/a3.ts', "import { x } from '../pipeline/x.ts';", false],
  ['src/tasks/a4.ts', "import { x } from '../index.ts';", false],
  ['src/pipeline/a1.ts', "import { x } from '../tasks/x.ts';\nimport type { y } from '../backends/backend.ts';", true],
  ['src/pipeline/a2.ts', "import { x } from '../backends/in-process.ts';", false],
  ['src/pipeline/a3.ts', "import { x } from '../engine/x.ts';", false],
  ['src/pipeline/a4.ts', "import { x } from '../models/x.ts';", false],
  ['src/pipeline/a5.ts', "import { x } from '../cli/x.ts';", false],
  ['src/pipeline/a6.test.ts', "import { x } from '../backends/scripted.ts';", true],
  ['src/backends/a1.ts', "import { x } from '../inference/x.ts';", true],
  ['src/backends/a2.ts', "import { x } from '../pipeline/x.ts';", false],
  ['src/backends/a3.ts', "import { x } from '../tasks/x.ts';", false],
  ['src/cli/a1.ts', "import { x } from '../pipeline/x.ts';\nimport { y } from '../backends/open.ts';", true],
  ['src/cli/a2.ts', "import { x } from '../backends/in-process.ts';", false],
  ['src/cli/a3.ts', "import { x } from '../engine/x.ts';", false],
  ['src/cli/a4.ts', "import { x } from '../training/x.ts';", false],
  ['src/bench/a1.ts', "import { x } from '../pipeline/x.ts';", true],
  ['src/bench/a2.ts', "import { x } from '../engine/x.ts';", false],
  ['src/dashboard/a1.ts', "import { x } from '../models/x.ts';", false],
  ['src/records.ts', "import { x } from './engine/x.ts';", false],
  ['src/run.ts', "import { x } from './cli/x.ts';", false],
  ['test/e2e/a1.ts', "import ort from 'onnxruntime-node';", false],
];

const OTHER_RULES: readonly (readonly [string, string, string])[] = [
  [
    'src/pipeline/one.ts',
    "import { two } from './two.ts';\nexport const one = () => two;",
    'lint/suspicious/noImportCycles',
  ],
  [
    'src/pipeline/two.ts',
    "import { one } from './one.ts';\nexport const two = () => one;",
    'lint/suspicious/noImportCycles',
  ],
  ['src/pipeline/any.ts', 'export const x = (y: any) => y;', 'lint/suspicious/noExplicitAny'],
  [
    'src/pipeline/float.ts',
    'async function f() {}\nexport function g() {\n  f();\n}',
    'lint/nursery/noFloatingPromises',
  ],
  ['src/pipeline/type.ts', "import { X } from './x.ts';\nexport const y: X = 1;", 'lint/style/useImportType'],
  ['src/pipeline/left.ts', "import x from 'left-pad';\nexport { x };", 'lint/correctness/noUndeclaredDependencies'],
];

describe('import rules', () => {
  let folder = '';
  let found: { path: string; rule: string }[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sipf-rules-'));
    copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
    for (const [path, text] of [...CASES, ...OTHER_RULES]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${text}\n`);
    }
    const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
    const args = [biome, 'lint', '--vcs-enabled=false', '--reporter=json', '--max-diagnostics=none', '.'];
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 });
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { category: string; severity: string; location: { path: string | { file: string } } }[];
    };
    found = diagnostics
      .filter(({ severity }) => severity === 'error')
      .map(({ category, location }) => ({
        rule: category,
        path: typeof location.path === 'string' ? location.path : location.path.file,
      }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const hits = (path: string, rule: string) => found.filter((hit) => hit.path.endsWith(path) && hit.rule === rule);

  it.each(CASES)('%s with %s: allowed %s', (path, _text, allowed) => {
    expect(hits(path, RULE).length > 0).toBe(!allowed);
  });

  it.each(OTHER_RULES)('%s breaks a rule', (path, _text, rule) => {
    expect(hits(path, rule)).not.toEqual([]);
  });
});
