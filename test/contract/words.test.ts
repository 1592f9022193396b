// Sources and the public API -> a header of one line in each file, an example of each function.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const files = ['src', 'viewer', 'bench', 'experiments', 'examples', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => /\.(tsx?|mjs|py)$/.test(file)),
);

const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Comments directly above the definitions of `name` in src/. */
function commentsOf(name: string): string[] {
  const definition = new RegExp(`(/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/)\\nexport (?:async )?function\\*? ${name}\\b`, 'g');
  return [...texts]
    .filter(([file]) => file.startsWith('src'))
    .flatMap(([, text]) => [...text.matchAll(definition)].map(([, comment = '']) => comment));
}

describe('headers', () => {
  it('are the first line of each file, in at most 100 characters', () => {
    const wrong = [...texts].filter(([, text]) => {
      const [first = '', second = ''] = text.split('\n', 2);
      return !/^(\/\/ |# |""")\S.{0,97}$/.test(first.startsWith('#!') ? second : first);
    });
    expect(wrong.map(([file]) => file)).toEqual([]);
  });
});

describe('the public API', () => {
  const functions = Object.entries(library).filter(([, value]) => typeof value === 'function' && !isClass(value));

  it.each(functions.map(([name]) => name))('%s has an example', (name) => {
    expect(commentsOf(name).some((comment) => comment.includes('@example'))).toBe(true);
  });
});

function isClass(value: unknown): boolean {
  return String(value).startsWith('class ');
}
