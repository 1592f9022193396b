// The built page -> small, whole, and made of types of the server alone.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pageText } from './fake-server.ts';

const viewer = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'viewer');
const sources = readdirSync(viewer, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => [file, readFileSync(join(viewer, file), 'utf8')] as const);

describe('the page', () => {
  const html = pageText();

  it('has less than 80 kB, compressed', () => {
    expect(gzipSync(html, { level: 9 }).length).toBeLessThan(80_000);
  });

  it('is one file: a style, a script, and no address of another place', () => {
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.match(/<style/g)).toHaveLength(1);
    expect(html).not.toMatch(/<link|src="|@import|url\(/);
    // Names of the standards, and what highlight.js says of itself.
    const isName = /^https?:\/\/(www\.w3\.org\/(2000\/svg|1999\/xhtml|1998\/Math\/MathML)|github\.com\/highlightjs\/)/;
    expect((html.match(/https?:\/\/[^"'` )]+/g) ?? []).filter((url) => !isName.test(url))).toEqual([]);
  });
});

describe('the sources of the page', () => {
  it('write no HTML and evaluate no text', () => {
    const wrong = sources.filter(([, text]) =>
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/.test(text),
    );
    expect(wrong.map(([file]) => file)).toEqual([]);
  });

  it('take from src/ types alone', () => {
    const imports = sources.flatMap(([file, text]) =>
      [...text.matchAll(/import (type )?[^;]*?from '((?:\.\.\/)+src\/[^']+)'/g)].map(([, type, from]) => ({
        file,
        type,
        from,
      })),
    );
    expect(imports.length).toBeGreaterThan(10);
    expect(imports.filter(({ type }) => type === undefined)).toEqual([]);
    const known = ['viewer/api.ts', 'records.ts', 'reports.ts'];
    expect(imports.filter(({ from = '' }) => !known.some((name) => from.endsWith(`src/${name}`)))).toEqual([]);
  });
});
