// Every warning that the sources can print has its row in docs/warnings.md.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const document = readFileSync(join(root, 'docs', 'warnings.md'), 'utf8').split('\n');

/** Where a warning's text stands in the sources. */
const GIVEN = /\bwarn\(\s*|\bwarnings\.push\(\s*|[`'"]Warning: /g;
/** Calls that pass on a text whose own place is found elsewhere, or here: describeBroken in references.ts. */
const PASSED_ON = /^(\.\.\.|(\$\{)?(warning|message|text|describeBroken)\b)/;

interface Given {
  readonly place: string;
  /** The words of the first sentence, between its figures. Empty: a text from elsewhere. */
  readonly phrases: readonly string[];
  readonly code: string;
}

function warningsIn(file: string): Given[] {
  const source = readFileSync(join(root, 'src', file), 'utf8');
  return [...source.matchAll(GIVEN)].map((match) => {
    const code = source.slice(match.index + match[0].length, match.index + match[0].length + 400);
    const place = `${file}:${source.slice(0, match.index).split('\n').length}`;
    if (PASSED_ON.test(code)) return { place, phrases: [], code };
    const text = code.replace(/^[`'"]/, '').replace(/\$\{[^{}]*(\{[^{}]*\}[^{}]*)*\}/g, '\n');
    // What to do about it comes after the first sentence, and may be put in other words.
    const sentence = /^.*?[.:](?=\s|\\n|['`"])/s.exec(text)?.[0] ?? text;
    const phrases = sentence.split(/\n|\\n/).map((piece) => piece.replace(/[.:]$/, '').trim());
    return { place, phrases: phrases.filter((phrase) => phrase.length > 2), code };
  });
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .sort();
const given = files.flatMap(warningsIn);

describe('docs/warnings.md', () => {
  it('is held against the warnings there are', () => {
    expect(given.filter(({ phrases }) => phrases.length > 0).length).toBeGreaterThan(20);
  });

  it.each(given)('has the warning of $place', ({ phrases, code }) => {
    if (PASSED_ON.test(code)) return;
    expect(phrases.join(' ').length, `Expected a text after ${code.slice(0, 60)}`).toBeGreaterThan(10);
    const rows = document.filter((line) => line.startsWith('| ') && phrases.every((phrase) => line.includes(phrase)));
    expect(rows, `Add a row with "${phrases.join(' … ')}" to docs/warnings.md.`).not.toEqual([]);
  });
});
