// Texts that end in an open annotation -> what is written there; annotations of GSM8K, counted.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { checkEquation } from '../tasks/math/equations.ts';
import { resultSpans, writtenBehind } from './calculator.ts';

describe('writtenBehind', () => {
  it.each([
    ['48/2', '24'],
    ['12/60', '.2'],
    ['0.2*50', '10'],
    ['0.5/100', '0.005'],
    ['10.5-10', '.5'],
    ['2*20*.01', '.4'],
    ['8*18.00', '144'],
    ['27/8', '3.375'],
    ['-20+10', '-10'],
    ['.25-1', '-.75'],
    ['1 1/2 + 2', '3.5'],
    ['(3 + 4) * 2', '14'],
    ['3(10)', '30'],
    ['16', '16'],
    ['5-5', '0'],
    ['99999999999999999999*10', '999999999999999999990'],
  ])('%s: %s', (expression, result) => {
    expect(writtenBehind(`She has ${expression}=<<${expression}=`)).toBe(`${result}>>`);
  });

  it.each([
    ['1/3', 'no finite decimal'],
    ['1/0', 'no value'],
    ['1/2097152', 'more than 20 places'],
    ['3*', 'half an expression'],
    ['', 'none'],
    ['1 2', 'two numbers'],
    ['20%*50', 'percent'],
    ['3x4', 'another sign'],
    ['$3*4', 'a currency'],
    ['1,000*2', 'a separator'],
    ['2*3=6', 'a second sign'],
    ['4 apples*2', 'a unit'],
    ['2**3', 'no operator'],
    ['1.2.3+1', 'no number'],
  ])('leaves %s to the model: %s', (expression) => {
    expect(writtenBehind(`x <<${expression}=`)).toBeNull();
  });

  it.each(['3*4=', '<<3*4', '<<3*4= ', '<<3*4=12>>', '<3*4=', '<<3\n*4=', '=', '', '<<3*4=12='])(
    'writes nothing behind %j',
    (text) => {
      expect(writtenBehind(text)).toBeNull();
    },
  );

  it('writes what the checker of equations calls true, and what a computer of floats computes', () => {
    const random = createRandom('expressions');
    const term = (depth: number): string => {
      if (depth === 0 || random.next() < 0.3)
        return random.next() < 0.2 ? `${random.int(0, 9)}.${random.int(0, 99)}` : String(random.int(0, 99));
      const inside = `${term(depth - 1)}${random.pick(['+', '-', '*', '/', ' + ', ' * '])}${term(depth - 1)}`;
      return random.next() < 0.4 ? `(${inside})` : inside;
    };
    let written = 0;
    for (let n = 0; n < 2000; n++) {
      const expression = term(2);
      const value = new Function(`return ${expression}`)() as number;
      const result = writtenBehind(`<<${expression}=`);
      if (result === null) {
        expect(Number.isFinite(value) && Number(value.toFixed(6)) === value, expression).toBe(false);
        continue;
      }
      written += 1;
      const text = result.slice(0, -2);
      expect(Math.abs(Number(text) - value), expression).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(value)));
      expect(checkEquation(`${expression}=${text}`).holds, expression).toBe(true);
    }
    expect(written).toBeGreaterThan(1000);
  });
});

describe('resultSpans', () => {
  const found = (text: string) => resultSpans(text).map(({ start, end }) => text.slice(start, end));

  it.each([
    ['3*4=<<3*4=12>>12 apples. 12/8=<<12/8=1.5>>1.5', ['12>>', '1.5>>']],
    ['<<3*4=13>>13', []],
    ['<<3*4=12 >>12', []],
    ['<<3*4=12.0>>', []],
    ['<<1/3=.33>>', []],
    ['<<3*4=', []],
    ['<<3*4=1', ['1']],
    ['<<3*4=12>', ['12>']],
    ['<<3*4=120', []],
    ['no annotation = 3', []],
  ])('%s: %j', (text, spans) => {
    expect(found(text)).toEqual(spans);
  });
});

/** How many annotations have a result that is written for them, and how. */
function counted(annotations: readonly string[]) {
  const counts = { annotations: annotations.length, sameText: 0, sameValue: 0, otherValue: 0, left: 0 };
  for (const annotation of annotations) {
    const [, open = '', result = ''] = /^(<<.*=)(.*)>>$/.exec(annotation) ?? [];
    const written = writtenBehind(open)?.slice(0, -2) ?? null;
    if (written === null) counts.left += 1;
    else if (written === result) counts.sameText += 1;
    else if (checkEquation(`${written}=${result}`).holds === true) counts.sameValue += 1;
    else counts.otherValue += 1;
  }
  return counts;
}

describe('annotations of GSM8K', () => {
  it('are written as most of them have it: some of them', () => {
    const file = join(import.meta.dirname, '../../test/fixtures/gsm8k-annotations.txt');
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(counted(lines)).toEqual({ annotations: 54, sameText: 38, sameValue: 16, otherValue: 0, left: 0 });
  });

  const data = join(import.meta.dirname, '../../../shared/data/gsm8k');
  it.skipIf(!existsSync(data))('all of them, where the data is beside the repository', () => {
    const texts = ['train', 'test'].map((split) => readFileSync(join(data, `${split}.jsonl`), 'utf8'));
    const all = texts.flatMap((text) => text.match(/<<[^<>]*>>/g) ?? []);
    expect(counted(all)).toEqual({ annotations: 27998, sameText: 27_233, sameValue: 763, otherValue: 0, left: 2 });
  });
});
