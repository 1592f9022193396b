// The rooms of src/ -> which rooms each may import: one table, and tests that it refuses the rest.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src');

/** Files of src/ that everything may import: they hold types, errors and pure functions. */
const GROUND = [
  'errors',
  'random',
  'limits',
  'hashing',
  'nearest',
  'described',
  'retries',
  'records',
  'same-question',
  'reports',
];

/** What the library is made of; the command line has it, too. */
const PUBLIC = [
  'pipeline',
  'method',
  'config',
  'run',
  'statistics',
  'tasks',
  'task',
  'sandboxes',
  'sandbox',
  'backends',
  'backend',
  'server',
  'viewer',
  'engine-settings',
  'io',
  'storage',
];

/** Room -> the rooms it may import, GROUND aside. A room is a folder of src/, or a file in it. Arrows go down this list only. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  random: [],
  limits: [],
  hashing: [],
  nearest: [],
  described: [],
  retries: [],
  records: [],
  'same-question': [],
  reports: [],
  arithmetic: [],
  engine: [],
  objectives: ['engine'],
  'train-settings': [],
  backend: ['objectives', 'train-settings'],
  remote: [],
  samplers: ['backend', 'remote'],
  sandbox: [],
  task: [],
  io: [],
  storage: ['io'],
  models: ['arithmetic', 'engine', 'io', 'storage'],
  inference: ['arithmetic', 'models', 'engine', 'backend'],
  training: ['models', 'engine', 'io', 'backend', 'objectives'],
  scorers: ['backend', 'remote', 'io'],
  trainers: ['remote', 'backend', 'objectives', 'training', 'models', 'io', 'storage'],
  'engine-settings': ['samplers', 'scorers', 'trainers'],
  backends: [
    'arithmetic',
    'inference',
    'training',
    'models',
    'engine',
    'io',
    'storage',
    'backend',
    'remote',
    'samplers',
    'scorers',
    'trainers',
    'engine-settings',
  ],
  sandboxes: ['sandbox', 'io'],
  tasks: ['arithmetic', 'task', 'sandbox', 'sandboxes', 'io'],
  statistics: [],
  run: ['io', 'storage'],
  method: ['backend', 'train-settings', 'objectives', 'task', 'statistics', 'run'],
  http: ['io'],
  server: ['backend', 'http', 'io', 'storage'],
  config: ['method', 'backend', 'engine-settings', 'sandboxes', 'io'],
  pipeline: [
    'method',
    'config',
    'run',
    'statistics',
    'tasks',
    'task',
    'sandboxes',
    'sandbox',
    'backend',
    'train-settings',
    'objectives',
    'io',
    'storage',
  ],
  viewer: ['pipeline', 'method', 'config', 'run', 'statistics', 'tasks', 'task', 'backend', 'http', 'io'],
  experiment: ['pipeline', 'config', 'method', 'run', 'statistics', 'io'],
  index: PUBLIC,
  cli: [...PUBLIC, 'experiment', 'engine', 'objectives'],
};

/** The folder that alone may import the runtime. */
const RUNTIME = 'engine/runtime/';

const IMPORT = /(?:\bfrom|\bimport\(|\bimport)\s*'([^']+)'/g;

function roomOf(file: string): string {
  return file.split('/')[0]!.replace(/\.ts$/, '');
}

/** Imports of one file as `room -> room`, and packages that it may not import. */
function arrowsOf(file: string, text: string): string[] {
  const arrows = [];
  for (const [, target = ''] of text.matchAll(IMPORT)) {
    if (target === 'onnxruntime-node' && !file.startsWith(RUNTIME)) arrows.push(`${file} -> onnxruntime-node`);
    if (!target.startsWith('.')) continue;
    const to = roomOf(posix.normalize(posix.join(posix.dirname(file), target)));
    if (to !== roomOf(file)) arrows.push(`${roomOf(file)} -> ${to}`);
  }
  return arrows;
}

function isAllowed(arrow: string): boolean {
  const [from = '', to = ''] = arrow.split(' -> ');
  const may = MAY[from];
  return (
    may !== undefined &&
    (may.includes(to) || (GROUND.includes(to) && !GROUND.slice(0, GROUND.indexOf(to)).includes(from)))
  );
}

const architecture = readFileSync(join(root, '..', 'docs', 'architecture.md'), 'utf8');

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));

const found = new Set(files.flatMap((file) => arrowsOf(file, readFileSync(join(root, file), 'utf8'))));

describe('import rules', () => {
  it('names every room of src/', () => {
    expect(Object.keys(MAY).sort()).toEqual([...new Set(files.map(roomOf))].sort());
  });

  it.each(Object.keys(MAY))('%s is a room in docs/architecture.md', (room) => {
    expect(architecture).toMatch(new RegExp(`^\\|.*\`${room}(\\.ts)?\``, 'm'));
  });

  it('finds no import that the table forbids', () => {
    expect([...found].filter((arrow) => !isAllowed(arrow))).toEqual([]);
  });

  it('has no circle of rooms', () => {
    const rooms = Object.keys(MAY);
    for (const [room, may] of Object.entries(MAY))
      for (const below of may) expect(rooms.slice(0, rooms.indexOf(room)), `${room} -> ${below}`).toContain(below);
  });

  it.each([
    ["import { x } from '../models/x.ts';", 'engine/a.ts', ['engine -> models']],
    ["import type { x } from '../../records.ts';", 'engine/ops/a.ts', ['engine -> records']],
    ["export { x } from '../tasks/x.ts';", 'backends/a.ts', ['backends -> tasks']],
    ["const x = await import('../cli/x.ts');", 'pipeline/a.ts', ['pipeline -> cli']],
    ["import './x.ts';\nimport { y } from './b/y.ts';", 'engine/a.ts', []],
    ["import ort from 'onnxruntime-node';", 'engine/a.ts', ['engine/a.ts -> onnxruntime-node']],
    ["import ort from 'onnxruntime-node';", `${RUNTIME}session.ts`, []],
  ])('reads %s in %s', (text, file, arrows) => {
    expect(arrowsOf(file, text)).toEqual(arrows);
  });

  it.each([
    ['engine -> models', false],
    ['backends -> tasks', false],
    ['pipeline -> cli', false],
    ['errors -> records', false],
    ['engine/a.ts -> onnxruntime-node', false],
    ['models -> engine', true],
    ['engine -> errors', true],
    ['cli -> pipeline', true],
  ])('%s: allowed %s', (arrow, allowed) => {
    expect(isAllowed(arrow)).toBe(allowed);
  });
});
