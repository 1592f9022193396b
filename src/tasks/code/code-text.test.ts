// Completions as models write them -> the code in them.
import { describe, expect, test } from 'vitest';
import { sized } from '../../../test/tier.ts';
import { createRandom } from '../../random.ts';
import { codeOf, codeRegion } from './code-text.ts';

const F = 'def f(x):\n    return x + 1\n';

describe('whole programs', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['the program alone', F, F],
    [
      'imports and helpers before it',
      `import math\n\nK = 2\n\ndef g(x):\n    return x\n\n${F}`,
      `import math\n\nK = 2\n\ndef g(x):\n    return x\n\n${F}`,
    ],
    ['a fence', `\`\`\`python\n${F}\`\`\``, F],
    ['a fence without a language', `\`\`\`\n${F}\`\`\`\n`, F],
    ['a fence that never closes', `\`\`\`python\n${F}`, F],
    ['a fence that the prompt opened', `${F}\`\`\`\nThis adds one.\n`, F],
    ['a fence at the end of a line of prose', `Solution: \`\`\`python\n${F}\`\`\`\nDone.`, F],
    ['a fence that ends the last line of code', `\`\`\`python\n${F.trimEnd()}\`\`\`\nDone.`, F.trimEnd()],
    ['inline code after the program', `${F}\nCall it as in \`\`\`f(1)\`\`\`\n`, `${F}\n`],
    ['fences in a comment', `${F}# as in \`\`\`f(1)\`\`\`\ny = 1\n`, `${F}# as in \`\`\`f(1)\`\`\`\ny = 1\n`],
    ['tags around the program', `<answer>\n${F}</answer>`, F],
    ['tildes', `~~~py\n${F}~~~`, F],
    [
      'prose around a fence',
      `Sure! Here's the function you need:\n\n\`\`\`python\n${F}\`\`\`\n\nIt adds one (don't forget it).`,
      F,
    ],
    [
      'the block with the function among several',
      `Use:\n\`\`\`bash\npip install x\n\`\`\`\n\`\`\`python\n${F}\`\`\`\n\`\`\`python\nprint(f(1))\n\`\`\``,
      F,
    ],
    [
      'the first of two versions',
      `\`\`\`python\n${F}\`\`\`\nOr shorter:\n\`\`\`python\ndef f(x): return 1 + x\n\`\`\``,
      F,
    ],
    ['[PYTHON] markers', `[PYTHON]\n${F}[/PYTHON]\nMore.`, F],
    ['[BEGIN] and [DONE]', `[BEGIN]\n${F}[DONE]\nYou are an expert Python programmer`, F],
    ['[DONE] alone', `${F}[DONE]\n\nYou are`, F],
    ['prose before, without a fence', `Here is the function that solves it:\n\n${F}`, F],
    ['a heading before', `Solution:\n${F}`, F],
    ["prose with quotes and brackets that don't close", `Here's one (there's another:\n${F}`, F],
    ['prose after', `${F}\nThis function returns the next number.\nIt's simple.\n`, `${F}\n`],
    ['an explanation after', `${F}\nExplanation:\nx = 1 gives 2\n`, `${F}\n`],
    ['a chat prefix', `Assistant: of course\n${F}`, F],
    ['tests repeated', `${F}\nassert f(1) == 3\nassert f(2) == 3\n`, `${F}\n`],
    ['prints', `${F}\nprint(f(1))\nprint(f(2))`, `${F}\n`],
    ['a main block', `${F}\nif __name__ == "__main__":\n    print(f(int(input())))\n`, `${F}\n`],
    ['calls at the end', `${F}\nmain()\nf(2)\n`, `${F}\n`],
    ['doctest lines', `${F}\n>>> f(1)\n2\n`, `${F}\n`],
    ['another question', `${F}\nQuestion: Write a function g.\nAnswer:\ndef g(): pass\n`, `${F}\n`],
    ['the function again', `${F}\ndef f(x):\n    return 0\n`, `${F}\n`],
    [
      'a helper after it',
      `def f(x):\n    return g(x)\n\ndef g(x):\n    return x\n`,
      `def f(x):\n    return g(x)\n\ndef g(x):\n    return x\n`,
    ],
    ['a value that the function needs after it', `${F}MEMO = {}\n`, `${F}MEMO = {}\n`],
    ['a leading space', ` ${F}`, 'def f(x):\n   return x + 1\n'],
    ['indentation that all lines share', `    def f(x):\n        return x + 1\n`, F],
    ['a first line that alone is indented', `  ${F}K = 1\n`, `${F}K = 1\n`],
    ['blank lines before', `\n\n${F}`, F],
    ['a lambda', 'f = lambda x: x + 1\nprint(f(1))\n', 'f = lambda x: x + 1\n'],
    ['a decorated function, then its test', `@cache\n${F}assert f(1) == 2\n`, `@cache\n${F}`],
    ['a class', 'class f:\n    pass\n\nprint(f())\n', 'class f:\n    pass\n\n'],
    ['another name', 'def g(x):\n    return x\n\nprint(g(1))\n', 'def g(x):\n    return x\n\n'],
    [
      'a docstring with an apostrophe and a colon',
      'def f(x):\n    """Note: it\'s x.\n\nassert nothing\n    """\n    return x + 1\n',
      'def f(x):\n    """Note: it\'s x.\n\nassert nothing\n    """\n    return x + 1\n',
    ],
    [
      'asserts inside the function',
      'def f(x):\n    assert x > 0\n    print(x)\n    return x + 1\n',
      'def f(x):\n    assert x > 0\n    print(x)\n    return x + 1\n',
    ],
    ['CRLF', 'def f(x):\r\n\treturn x\r\n\r\nprint(f(1))\r\n', 'def f(x):\r\n\treturn x\r\n\r\n'],
    ['code that is wrong stays wrong', 'def f(x)\n  return x\n', 'def f(x)\n  return x\n'],
  ];
  test.each(cases)('%s', (_name, completion, code) => expect(codeOf(completion, { entryPoint: 'f' })).toBe(code));

  test('without an entry point, any definition is the answer', () => {
    expect(codeOf(`Here you go:\n${F}\nprint(f(1))\n`)).toBe(`${F}\n`);
    expect(codeOf('x = 1\nprint(x)\n')).toBe('x = 1\nprint(x)\n');
  });

  test.each(['', '\n \n', '# nothing\n', '```python\n```'])('no statement: %j', (completion) =>
    expect(codeOf(completion, { entryPoint: 'f' })).toBeNull(),
  );

  test('prose alone is graded as it is', () =>
    expect(codeOf('I cannot do that, sorry.')).toBe('I cannot do that, sorry.'));
});

describe('text cut at the token limit', () => {
  const cut = (completion: string) => codeOf(completion, { entryPoint: 'f', finishReason: 'length' });

  test('a second definition that was begun goes', () => expect(cut(`${F}\ndef g(x):\n    return (x`)).toBe(`${F}\n`));
  test('a last line that was begun goes', () =>
    expect(cut(`def f(x):\n    y = x\n    return y\n    z = (1,`)).toBe(`def f(x):\n    y = x\n    return y\n`));
  test('whole lines stay', () => expect(cut(F)).toBe(F));
  test('prose that was begun goes', () => expect(cut(`${F}\nThis function is`)).toBe(`${F}\n`));
  test('a fence that was never closed', () => expect(cut(`\`\`\`python\n${F}\`\`\`\nThis`)).toBe(F));
});

describe('completions of a prompt that is code', () => {
  const prefix =
    'from typing import List\n\ndef helper(x):\n    return x\n\ndef f(x: int) -> int:\n    """Adds one.\n    >>> f(1)\n    2\n    """\n';
  const head = 'from typing import List\n\ndef helper(x):\n    return x\n\n';
  const body = '    y = helper(x)\n    return y + 1\n';
  const of = (completion: string, finishReason: 'stop' | 'length' = 'stop') =>
    codeOf(completion, { entryPoint: 'f', prefix, finishReason });

  test('the body continues the prompt', () => expect(of(body)).toBe(prefix + body));
  test('blank lines before the body', () => expect(of(`\n${body}`)).toBe(`${prefix}\n${body}`));
  test('what follows the body at the margin is cut where it is no definition', () => {
    expect(of(`${body}\n\nprint(f(1))\n`)).toBe(`${prefix}${body}\n\n`);
    expect(of(`${body}\nif __name__ == '__main__':\n    f(1)\n`)).toBe(`${prefix}${body}\n`);
    expect(of(`${body}\n\ndef g():\n    pass\n`)).toBe(`${prefix}${body}\n\ndef g():\n    pass\n`);
    expect(of(`${body}\nThis function adds one.\n`)).toBe(`${prefix}${body}\n`);
    expect(of(`${body}\ndef f(x):\n    return 0\n`)).toBe(`${prefix}${body}\n`);
  });
  test('a cut second function goes, and a cut last line', () => {
    expect(of(`${body}\ndef g(x):\n  ret`, 'length')).toBe(`${prefix}${body}\n`);
    expect(of('    y = helper(x)\n    return y + 1\n    # do', 'length')).toBe(
      `${prefix}    y = helper(x)\n    return y + 1\n`,
    );
    expect(of('    y = helper(x)\n    return (y', 'length')).toBe(`${prefix}    y = helper(x)\n`);
  });
  test('a repeated prompt replaces its function, helpers stay', () => {
    expect(of(prefix + body)).toBe(head + prefix + body);
    expect(of(`def f(x):\n${body}`)).toBe(`${head}def f(x):\n${body}`);
    expect(of(`\`\`\`python\ndef f(x):\n${body}\`\`\`\nDone.`)).toBe(`${head}def f(x):\n${body}`);
    expect(of(`Here is the code:\n\ndef f(x):\n${body}`)).toBe(`${head}def f(x):\n${body}`);
  });
  test('a body in a fence, and one that lost its indentation', () => {
    expect(of(`\`\`\`python\n${body}\`\`\``)).toBe(prefix + body);
    expect(of('y = helper(x)\nreturn y + 1\n')).toBe(prefix + body);
    expect(of('y = helper(x)\n    return y + 1\n')).toBe(prefix + body);
    expect(of('if x:\n    return 2\nreturn 1\n')).toBe(`${prefix}    if x:\n        return 2\n    return 1\n`);
    expect(of('if x:\n        return 2\n    return 1\n')).toBe(`${prefix}    if x:\n        return 2\n    return 1\n`);
  });
  test('a prompt without its last line end', () => {
    const stripped = prefix.trimEnd();
    const on = (completion: string) => codeOf(completion, { entryPoint: 'f', prefix: stripped });
    expect(on(`\n${body}`)).toBe(prefix + body);
    expect(on(body)).toBe(prefix + body);
    expect(on('\n    return 1\n\nprint(f(1))')).toBe(`${prefix}    return 1\n\n`);
    expect(on('return 1\n')).toBe(`${prefix}    return 1\n`);
    expect(on('\nreturn 1\n')).toBe(`${prefix}    return 1\n`);
    expect(on(`def f(x):\n${body}`)).toBe(`${head}def f(x):\n${body}`);
    expect(on('\n')).toBeNull();
  });
  test('nothing', () => expect(of('\n')).toBeNull());
});

/** Of hostile texts. What is quadratic takes far longer than this. */
const LENGTH = sized(20_000, 100_000);
const MS_A_CHARACTER = 0.03;

test('any text has a region within it, in linear time', () => {
  const parts = [
    '```',
    '```python\n',
    'def f(x):\n',
    '    return x\n',
    '\n',
    'prose here is\n',
    '[DONE]\n',
    '"""',
    "'",
    '(',
    'assert f(1)\n',
    '@x\n',
    '   ',
    'f(1)\n',
    '\r\n',
    '>>> ',
  ];
  const random = createRandom('code text');
  for (let round = 0; round < sized(300, 2000); round++) {
    const text = Array.from({ length: random.int(0, 25) }, () => random.pick(parts)).join('');
    const finishReason = random.pick(['stop', 'length'] as const);
    const prefix = random.pick([undefined, 'def f(x):\n']);
    const { start, end } = codeRegion(text, { entryPoint: random.pick([null, 'f']), prefix, finishReason });
    expect(0 <= start && start <= end && end <= text.length).toBe(true);
    codeOf(text, { entryPoint: 'f', prefix, finishReason });
  }
  const hostile = [
    '```',
    'a ```\n',
    '`',
    '`a',
    '"""',
    '"""\n```\n',
    '~~~\n',
    '```python x\n',
    '<|x|>',
    '</s>',
    '> ',
    '- ```\n',
    '# ```\n',
    'x = 1 # ```\n',
    '[BOS] ',
    '<s> ',
  ];
  const pieces = ['```\n', 'prose here\n', 'def f(x):\n', '    ', '@x\n', '[DONE]\n', 'f(1)\n', ...hostile];
  for (const part of pieces) {
    const started = process.cpuUsage();
    codeOf(part.repeat(LENGTH / part.length), { entryPoint: 'f', prefix: 'def f(x):\n' });
    codeOf(`x = 1\n${part.repeat(LENGTH / part.length)}`, { entryPoint: 'f' });
    expect(process.cpuUsage(started).user / 1000, part).toBeLessThan(LENGTH * MS_A_CHARACTER);
  }
});
