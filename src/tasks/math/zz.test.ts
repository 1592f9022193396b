import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { parseMath } from './answer-tree.ts';
import { cleanLatex } from './clean-latex.ts';
import { Expressions } from './expressions.ts';
import { sameMath } from './same-math.ts';

test('x', () => {
  const e = new Expressions();
  const rows = readFileSync('/tmp/pairs.txt', 'utf8')
    .split('\n')
    .filter((l) => l.trim() && !l.startsWith('#'));
  let bad = 0;
  for (const l of rows) {
    const [w, a, b] = l.split(' ;; ');
    const want = w === '1';
    const t = performance.now();
    let got: unknown;
    try {
      got = sameMath(a!, b!, e);
    } catch (err) {
      got = String(err).slice(0, 200);
    }
    const ms = performance.now() - t;
    if (got !== want || ms > 400) {
      bad++;
      console.log(
        want ? 'SHOULD BE RIGHT' : 'MUST BE WRONG',
        a,
        '|',
        b,
        got,
        ms.toFixed(0),
        JSON.stringify([parseMath(cleanLatex(a!)), parseMath(cleanLatex(b!))]).slice(0, 300),
      );
    }
  }
  console.log(rows.length, 'bad', bad);
}, 600000);
