// A folder -> the questions and other inputs of the oracle's runs in it. The same bytes every time.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const jsonl = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Sums of three to five numbers with their partial sums. */
function sums(count, offset) {
  return Array.from({ length: count }, (_, i) => {
    const numbers = Array.from({ length: 3 + (i % 3) }, (_unused, j) => 1 + ((i * 7 + j * 3 + offset) % 9));
    const steps = [];
    numbers.reduce((total, n) => {
      steps.push(`${total}+${n}=${total + n}`);
      return total + n;
    });
    const answer = numbers.reduce((a, b) => a + b);
    return { id: `${offset}-${i}`, question: numbers.join('+'), answer, solution: steps };
  });
}

/** Functions that take x, add one number and multiply by another. The reference of number 3 fails its test. */
function functions(count, offset) {
  return Array.from({ length: count }, (_, i) => {
    const [a, b] = [2 + ((offset + i) % 37), 3 + ((offset + i) % 11)];
    return {
      id: `p${offset + i}`,
      prompt: `Write f that adds ${a} and multiplies by ${b}.`,
      show_tests: false,
      code: `def f(x):\n    y = x + ${a}\n    y = y * ${b}\n    return y\n`,
      tests: [`assert f(1) == ${(1 + a) * b}`, `assert f(5) == ${(5 + a) * b + (offset + i === 3 ? 1 : 0)}`],
      entry_point: 'f',
    };
  });
}

/** Writes sums/, mix/jsonl/ and mix/code/ with train, valid and test, worked examples, and rows for score, logps and grade. */
export function writeData(folder) {
  const put = (path, rows) => writeFileSync(join(folder, path), jsonl(rows));
  for (const name of ['base', 'sums', 'mix', 'mix/jsonl', 'mix/code', 'rows']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'base', 'scripted.json'), JSON.stringify({ hash: '0'.repeat(64), skill: 0 }));
  for (const [offset, split] of ['train', 'valid', 'test'].entries()) {
    const own = sums(split === 'train' ? 24 : 12, offset);
    put(`sums/${split}.jsonl`, own);
    put(`mix/jsonl/${split}.jsonl`, own.slice(0, 10));
    put(`mix/code/${split}.jsonl`, functions(split === 'train' ? 10 : 5, 100 * offset));
  }
  put('rows/shots.jsonl', [
    { question: '1+1+1', steps: ['1+1=2', '2+1=3'] },
    { question: '2+2+2', steps: ['2+2=4', '4+2=6'] },
  ]);
  put('rows/paths.jsonl', [
    { id: 'a', question: '1+1+1', steps: ['1+1=2', '2+1=3'], label: -1 },
    { id: 'long', question: '1+1+1', steps: ['1+1=2', `2+1=3 ${'x'.repeat(5000)}`], label: 1 },
    { id: 'b', question: '1+1+1', steps: ['1+1=3', '3+1=4'], label: 0 },
    { id: 2, question: '2+3+4', steps: ['2+3=5', '5+4=9'] },
  ]);
  put('rows/completions.jsonl', [
    { prompt: '2 + 2 =', completion: ' 4' },
    { id: 'ids', promptIds: [50, 43, 50, 61], completionIds: [52, 33] },
  ]);
  put('rows/answers.jsonl', [
    { id: 'a', reference: '#### 29', completion: 'It costs 20+9=29.\n#### 29' },
    { id: 'b', reference: '#### 29', completion: 'It costs $29.00.' },
    { id: 'c', reference: '7', completion: 'The answer is 8.' },
    { reference: '1,000', completion: 'No idea' },
  ]);
  put('rows/programs.jsonl', [
    { id: 'right', code: 'def f(x):\n    return x + 1\n', tests: ['assert f(1) == 2'] },
    { id: 'wrong', code: 'def f(x):\n    return x\n', tests: ['assert f(1) == 2'] },
    { id: 'broken', code: 'def f(x)\n', tests: ['assert f(1) == 2'] },
  ]);
  put('rows/trl-pairs.jsonl', [{ prompt: '1+1+1\n', chosen: '1+1=2\n2+1=3', rejected: '1+1=3\n3+1=4' }]);
}
