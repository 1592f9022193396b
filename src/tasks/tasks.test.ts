// Data files good and broken, and a small hub -> what each task loads, grades and refuses.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countDuplicates, sharedWith } from '../same-question.ts';
import { closing } from '../task.ts';
import { isCutForValid } from './data/splits.ts';
import { TASK_NAMES, taskNamed } from './index.ts';
import { gradeMath } from './math/math-task.ts';
import { createGsm8k, createMultiArith, createSvamp } from './math/word-problems.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const shared = join(root, '../shared/data');
const fixture = join(root, 'test/fixtures/answers-gsm8k.parquet');
const hasShared = existsSync(shared);
if (!hasShared) console.warn(`No ../shared/data beside the repository: tests of the real data sets are skipped.`);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-tasks-'));
});

/** Writes a file below the test's folder and returns its path. */
async function file(name: string, content: string | readonly unknown[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    typeof content === 'string' ? content : content.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  return path;
}

/** The same, compressed. */
async function gzipped(name: string, content: string | readonly unknown[]): Promise<string> {
  const path = await file(name, content);
  await writeFile(path, gzipSync(await readFile(path)));
  return path;
}

const row = (i: number) => ({
  question: `What is ${i} plus 1?`,
  answer: `It is ${i}+1=<<${i}+1=${i + 1}>>${i + 1}.\n#### ${i + 1}`,
});

test('names lead to tasks; a wrong name is answered with the nearest', () => {
  for (const name of TASK_NAMES) expect(taskNamed(name).name).toBe(name);
  expect(() => taskNamed('gsm8')).toThrow(/gsm8k, mmlu-math.*Did you mean gsm8k\?/);
  expect(() => taskNamed('mmlu_math')).toThrow(/Did you mean mmlu-math\?/);
  expect(() => taskNamed('toString')).toThrow(/Expected a task/);
});

describe('grading', () => {
  const grade = (completion: string, finish: 'stop' | 'length' = 'stop') =>
    gradeMath({ answer: '29' }, completion, finish);

  test('right, other answer, none, truncated', () => {
    expect(grade('It costs $29.00.')).toEqual({ extracted: '29', outcome: { kind: 'right' } });
    expect(grade('The answer is 30')).toEqual({ extracted: '30', outcome: { kind: 'wrong', reason: 'other-answer' } });
    expect(grade('I do not know.')).toEqual({ extracted: null, outcome: { kind: 'wrong', reason: 'no-answer' } });
    expect(grade('first 29 and then', 'length')).toEqual({
      extracted: null,
      outcome: { kind: 'wrong', reason: 'truncated' },
    });
    expect(grade('The answer is 29\nand so', 'length').outcome.kind).toBe('right');
    expect(grade('So \\boxed{29}', 'length').outcome.kind).toBe('right');
    // The next digit was cut off.
    expect(grade('The answer is 29', 'length').outcome).toEqual({ kind: 'wrong', reason: 'truncated' });
    expect(grade('<think>\\boxed{29}', 'length').outcome).toEqual({ kind: 'wrong', reason: 'truncated' });
  });

  test('the reference may be a whole solution', () => {
    expect(gradeMath({ answer: row(4).answer }, 'The answer is 5', 'stop').outcome.kind).toBe('right');
  });
});

describe('gsm8k', () => {
  const task = createGsm8k();

  test('solutions become steps with the shared answer line; valid is cut from train by id', async () => {
    const data = dirname(
      await file(
        'cut/gsm8k/train.jsonl',
        Array.from({ length: 300 }, (_, i) => row(i)),
      ),
    );
    const [train, valid] = await Promise.all([
      task.load({ data, split: 'train' }),
      task.load({ data: dirname(data), split: 'valid' }),
    ]);
    expect(train.length + valid.length).toBe(300);
    expect(valid.length).toBeGreaterThan(8);
    expect(valid.every(({ id }) => isCutForValid(id) && /^gsm8k\/train\/\d+$/.test(id))).toBe(true);
    expect(new Set([...train, ...valid].map(({ id }) => id)).size).toBe(300);
    expect(train[0]).toEqual({
      id: 'gsm8k/train/0',
      task: 'gsm8k',
      question: 'What is 0 plus 1?',
      answer: '1',
      solution: ['It is 0+1=<<0+1=1>>1.\nThe answer is 1'],
    });
    await expect(task.load({ data, split: 'test' })).rejects.toThrow(/Expected test.jsonl in/);
  });

  test('a valid file of its own leaves train whole', async () => {
    const data = dirname(
      await file(
        'own/train.jsonl',
        Array.from({ length: 100 }, (_, i) => row(i)),
      ),
    );
    await file('own/valid.jsonl', [row(500)]);
    expect(await task.load({ data, split: 'train' })).toHaveLength(100);
    expect((await task.load({ data, split: 'valid' })).map(({ id }) => id)).toEqual(['gsm8k/valid/0']);
  });

  test('a single file holds what its name says', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => row(i));
    const named = await file('one/test.jsonl', rows);
    expect(await task.load({ data: named, split: 'test', limit: 7 })).toHaveLength(7);
    await expect(task.load({ data: named, split: 'train' })).rejects.toThrow(/which holds test by its name/);
    const other = await file('one/mine.jsonl', rows);
    expect((await task.load({ data: other, split: 'test', whole: true }))[3]?.id).toBe('gsm8k/mine/3');
    expect(await task.load({ data: other, split: 'test', whole: true })).toHaveLength(60);
    const parts = await Promise.all(
      (['train', 'valid', 'test'] as const).map((split) => task.load({ data: other, split })),
    );
    expect(parts.map(({ length }) => length)).toEqual([48, 6, 6]);
    expect(new Set(parts.flat().map(({ id }) => id)).size).toBe(60);
  });

  test('filters by gold steps, then limits', async () => {
    const long = { question: 'Long?', answer: 'a\nb\nc\n#### 3' };
    const data = await file('filter/test.jsonl', [long, row(1), long, row(2), row(3)]);
    const ids = async (options: object) => (await task.load({ data, split: 'test', ...options })).map(({ id }) => id);
    expect(await ids({ maxGoldSteps: 1, limit: 2 })).toEqual(['gsm8k/test/1', 'gsm8k/test/3']);
    await expect(ids({ maxGoldSteps: 0 })).rejects.toThrow(/none with a worked solution of at most 0 steps/);
  });

  test('reads Parquet', async () => {
    const questions = await task.load({ data: fixture, split: 'test' });
    expect(questions.map(({ answer }) => answer)).toEqual(['7', '6']);
    expect(questions[1]?.solution).toEqual(['Ann has 10-4=<<10-4=6>>6 pens.\nThe answer is 6']);
  });

  test('reads gzipped lines as if unpacked, and an unpacked copy beside them instead', async () => {
    const packed = await gzipped('packed/test.jsonl.gz', [row(1), row(2)]);
    const questions = await task.load({ data: packed, split: 'test' });
    expect(questions.map(({ id, answer }) => [id, answer])).toEqual([
      ['gsm8k/test/0', '2'],
      ['gsm8k/test/1', '3'],
    ]);
    expect(await task.load({ data: dirname(packed), split: 'test' })).toEqual(questions);
    await file('packed/test.jsonl', [row(5)]);
    expect((await task.load({ data: dirname(packed), split: 'test' })).map(({ answer }) => answer)).toEqual(['6']);
    const own = await gzipped('packed/own.jsonl.gz', [row(1)]);
    expect((await task.load({ data: own, split: 'test' })).map(({ id }) => id)).toEqual(['gsm8k/own/0']);
    await gzipped(
      'packed-set/svamp/SVAMP.json.gz',
      '[{"ID": "s-1", "Body": "Two pens.", "Question": "How many?", "Answer": 2}]',
    );
    expect(await createSvamp().load({ data: join(folder, 'packed-set'), split: 'test' })).toHaveLength(1);
    const line = await gzipped('packed/bad.jsonl.gz', '{"question": "a?", "answer": "#### 1"}\n{oops\n');
    await expect(task.load({ data: line, split: 'test' })).rejects.toThrow(/bad.jsonl.gz, line 2/);
    const cut = await file('packed/cut.jsonl.gz', 'no gzip');
    await expect(task.load({ data: cut, split: 'test' })).rejects.toThrow(/a gzip file at .*cut.jsonl.gz/);
  });

  test.each([
    ['not json', '{"question": "a?", "answer": "#### 1"}\n{oops\n', /line 2/],
    ['no object', '[1]\n5\n', /a JSON object in .*line 1, got \[1\]/],
    ['a missing field', '{"question": "a?"}\n', /line 1, field "answer", got no such field among question/],
    ['an empty question', '{"question": " ", "answer": "#### 1"}\n', /line 1, field "question", got " "/],
    ['a missing answer line', '{"question": "a?", "answer": "It is 5."}\n', /"#### N" in .*line 1.*task jsonl/],
    [
      'an empty answer',
      '{"question": "a?", "answer": "It is 5.\\n####"}\n',
      /a number in .*line 1, field "answer", got ""/,
    ],
    ['an answer that is no number', '\n{"question": "a?", "answer": "#### some"}\n', /a number in .*line 2/],
    ['an empty file', '', /got an empty file/],
  ])('%s is refused with its place', async (name, content, message) => {
    const data = await file(`bad/${name.replaceAll(' ', '-')}.jsonl`, content);
    await expect(task.load({ data, split: 'test' })).rejects.toThrow(message);
  });

  test('a missing path, a broken Parquet file and other bytes are refused', async () => {
    await expect(task.load({ data: join(folder, 'nowhere'), split: 'test' })).rejects.toThrow(/data file or folder at/);
    await expect(task.load({ data: await file('broken.parquet', 'PAR1 no'), split: 'test' })).rejects.toThrow(
      /Parquet file/,
    );
    const bytes = join(folder, 'latin.jsonl');
    await writeFile(bytes, Buffer.from([0x7b, 0xff, 0x7d]));
    await expect(task.load({ data: bytes, split: 'test' })).rejects.toThrow(/UTF-8/);
  });
});

describe('jsonl', () => {
  const task = taskNamed('jsonl');

  test('takes plain answers, solutions as text or list, GSM8K answers, numbers and own ids', async () => {
    const data = await file('own/questions.jsonl', [
      { id: 'a', question: 'q1', answer: 12.5 },
      { question: 'q2', answer: '3:4', solution: 'one\n\ntwo' },
      { id: 7, question: 'q3', answer: '$1,000', solution: ['one', 'two\nThe answer is 1000'] },
      row(4),
    ]);
    expect(await task.load({ data, split: 'test' })).toEqual([
      { id: 'a', task: 'jsonl', question: 'q1', answer: '12.5' },
      {
        id: 'jsonl/questions/1',
        task: 'jsonl',
        question: 'q2',
        answer: '3:4',
        solution: ['one', 'two\nThe answer is 3:4'],
      },
      { id: '7', task: 'jsonl', question: 'q3', answer: '1000', solution: ['one', 'two\nThe answer is 1000'] },
      {
        id: 'jsonl/questions/3',
        task: 'jsonl',
        question: 'What is 4 plus 1?',
        answer: '5',
        solution: ['It is 4+1=<<4+1=5>>5.\nThe answer is 5'],
      },
    ]);
  });

  test.each([
    [{ question: 'q', answer: '1', solution: '' }, /line 2, field "solution"/],
    [{ question: 'q', answer: '1', solution: [1] }, /line 2, field "solution", got \[1\]/],
    [{ question: 'q', answer: '' }, /line 2, field "answer"/],
    [{ question: 'q', answer: null }, /line 2, field "answer", got null/],
    [{ id: 'a', question: 'q', answer: '1' }, /line 2, field id, got "a" again \(first in .* line 1\)/],
  ])('refuses %j', async (bad, message) => {
    const data = await file('own/bad.jsonl', [{ id: 'a', question: 'q1', answer: '1' }, bad]);
    await expect(task.load({ data, split: 'test' })).rejects.toThrow(message);
  });

  test('needs --data', async () => {
    await expect(task.load({ split: 'test' })).rejects.toThrow(/Expected --data/);
  });
});

test('repeated and shared questions are counted', () => {
  const of = (...texts: string[]) => texts.map((question) => ({ question }));
  expect(countDuplicates(of('a b', 'A  b ', 'c', 'c', 'c'))).toBe(3);
  expect(sharedWith(of('a b', 'c'), of('A B'))).toHaveLength(1);
});

test.each(TASK_NAMES)('%s: pieces and split agree, and prompts show shots in the same format', async (name) => {
  const task = taskNamed(name);
  const isCode = task.gradedBy === 'tests';
  const steps = isCode ? ['def f(x):\n    y = x\n', '    return y\n'] : ['first', 'then\nThe answer is 3'];
  expect(task.split(task.pieces(steps).join(''))).toEqual(steps);
  expect(task.prompt({ question: 'b?' }, [{ question: 'a?', steps }])).toBe(
    `${task.prompt({ question: 'a?' })}${task.pieces(steps).join('')}\n${task.prompt({ question: 'b?' })}`,
  );
  expect(task.stopStrings.some((stop) => task.prompt({ question: 'x' }).startsWith(stop))).toBe(true);
  const said = ['<<1+1=3>> <<2+2=4>>', '<<1+1=2>> <<1+=2>>', '<<1+=2>>', 'two apples'];
  expect(said.map((step) => task.equationsHold(step))).toEqual(
    isCode ? [null, null, null, null] : [false, true, null, null],
  );
});

test.each(TASK_NAMES)('%s: the line of the right answer is one of its texts, and is graded right', async (name) => {
  const task = taskNamed(name);
  await using _closing = closing(task);
  const plain = { id: 'q', task: name, question: 'How many?', answer: '12' };
  const questions = [plain, { ...plain, answer: '12', choices: ['10', '12', '14'] }, { ...plain, answer: '-3/4' }];
  for (const question of questions) {
    const line = task.answerLine?.(question);
    expect(line === undefined).toBe(task.gradedBy === 'tests');
    if (line === undefined) continue;
    const [lead, answer] = line;
    expect(answer).toMatch(/^ \S+\n$/);
    expect(task.pieces([(lead + answer).trimEnd()]).join('')).toBe(lead + answer);
    const { outcome } = await task.grade(question, `So it is.\n${lead}${answer}`, 'stop');
    expect([question, outcome.kind]).toEqual([question, 'right']);
  }
});

describe('the hub', () => {
  let server: Server;
  let hubUrl = '';
  const requests: string[] = [];
  beforeAll(async () => {
    const parquet = await readFile(fixture);
    const oid = createHash('sha1').update(`blob ${parquet.length}\0`).update(parquet).digest('hex');
    const files: Record<string, Buffer> = {
      '/datasets/openai/gsm8k/resolve/main/main/train-00000-of-00001.parquet': parquet,
      '/datasets/openai/gsm8k/resolve/main/main/test-00000-of-00001.parquet': parquet,
    };
    server = createServer((request, response) => {
      const path = request.url?.split('?')[0] ?? '';
      requests.push(path);
      if (path === '/api/datasets/openai/gsm8k/tree/main/main') {
        const entries = ['main/README.md', 'main/train-00000-of-00001.parquet', 'main/test-00000-of-00001.parquet'];
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(entries.map((name) => ({ type: 'file', path: name, size: parquet.length, oid }))));
        return;
      }
      const body = files[path];
      if (body === undefined) {
        response.statusCode = 404;
        response.end('{}');
        return;
      }
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      const [from, to] = range ? [Number(range[1]), Number(range[2]) + 1] : [0, body.length];
      response.writeHead(range ? 206 : 200, { etag: '"x"', 'content-range': `bytes ${from}-${to - 1}/${body.length}` });
      response.end(body.subarray(from, to));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((done) => server.close(done)));

  test('downloads a data set once', async () => {
    const task = createGsm8k({ hubUrl, cache: join(folder, 'cache') });
    expect((await task.load({ split: 'test' })).map(({ id }) => id)).toEqual(['gsm8k/test/0', 'gsm8k/test/1']);
    const before = requests.length;
    expect((await task.load({ split: 'train' })).length + (await task.load({ split: 'test' })).length).toBeGreaterThan(
      2,
    );
    expect(requests.length).toBe(before);
  });

  test('says what to do where the set is not there, or nobody answers', async () => {
    await expect(createSvamp({ hubUrl, cache: join(folder, 'none') }).load({ split: 'test' })).rejects.toThrow(
      /ChilleD\/SVAMP.*--data/,
    );
    const offline = createMultiArith({ hubUrl: 'http://127.0.0.1:9', cache: join(folder, 'none') });
    await expect(offline.load({ split: 'test' })).rejects.toThrow(
      /Check the network, or name a local file or folder with --data/,
    );
  });
});

describe.skipIf(!hasShared)('the real data sets', () => {
  test('gsm8k: all 7,473 train and 1,319 test', async () => {
    const task = taskNamed('gsm8k');
    const [train, valid, other] = await Promise.all(
      (['train', 'valid', 'test'] as const).map((split) => task.load({ data: shared, split })),
    );
    expect([train!.length, valid!.length, other!.length]).toEqual([7473 - valid!.length, valid!.length, 1319]);
    expect(valid!.length).toBeGreaterThan(450);
    expect(valid!.length).toBeLessThan(550);
    expect(countDuplicates([...train!, ...valid!])).toBe(0);
    expect(sharedWith(other!, [...train!, ...valid!])).toEqual([]);
    for (const question of [...train!, ...valid!, ...other!]) {
      const completion = task.pieces(question.solution!).join('');
      expect(task.split(completion)).toEqual(question.solution);
      expect(task.grade(question, completion, 'stop')).toMatchObject({
        extracted: question.answer,
        outcome: { kind: 'right' },
      });
    }
  });

  test('mmlu-math: 354, one of them no number', async () => {
    const task = taskNamed('mmlu-math');
    const questions = await task.load({ data: shared, split: 'test' });
    expect(questions).toHaveLength(354);
    expect(questions.filter(({ answer }) => !/^-?[\d.]+$/.test(answer)).map(({ answer }) => answer)).toEqual(['2,2,4']);
    for (const question of questions) {
      for (const completion of [
        `The answer is ${question.answer}.`,
        `so $\\boxed{${question.answer}}$`,
        `#### ${question.answer}`,
      ]) {
        expect(task.grade(question, completion, 'stop'), completion).toMatchObject({ outcome: { kind: 'right' } });
      }
    }
    await expect(task.load({ data: shared, split: 'train' })).rejects.toThrow(/a test set only/);
  });

  test('svamp: 1,000 and multiarith: 600, with the fields joined to one question', async () => {
    const svamp = await taskNamed('svamp').load({ data: shared, split: 'test' });
    expect(svamp).toHaveLength(1000);
    expect(svamp[0]).toMatchObject({
      id: 'svamp/test/0',
      question:
        'Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack, How much do you have to pay to buy each pack?',
      answer: '51',
    });
    const multiarith = await taskNamed('multiarith').load({
      data: join(shared, 'multiarith/MultiArith.json'),
      split: 'test',
    });
    expect(multiarith).toHaveLength(600);
    expect(multiarith[0]).toMatchObject({ id: 'multiarith/test/0', answer: '39' });
    expect(multiarith[0]!.question).toMatch(/^For Halloween/);
  });
});
