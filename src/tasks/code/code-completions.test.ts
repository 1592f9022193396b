// Completions as chat models write them -> the one program in each.
import { describe, expect, test } from 'vitest';
import { codeOf, codeRegion } from './code-text.ts';

const F = 'def f(x):\n    return x + 1\n';
const DRAFT = 'def f(x):\n    return x\n';
const BODY = '    return x + 1\n';
const PREFIX = 'def f(x: int) -> int:\n    """ Adds one.\n    >>> f(1)\n    2\n    """\n';
const DOC = 'def f(x):\n    """Adds one.\n\n    ```\n    f(1)\n    ```\n    """\n    return x + 1\n';

const of = (completion: string, prefix?: string): string | undefined =>
  codeOf(completion, { entryPoint: 'f', prefix })?.trimEnd();

/** Every completion is this program. */
function all(name: string, program: string, completions: readonly string[], prefix?: string): void {
  test.each(completions)(`${name}: %j`, (completion) => {
    expect(of(completion, prefix)).toBe(program.trimEnd());
    const { start, end } = codeRegion(completion, { entryPoint: 'f', prefix });
    expect(0 <= start && start <= end && end <= completion.length).toBe(true);
  });
}

const TOKENS =
  '<|endoftext|> <|im_end|> </s> <eos> <end_of_turn> <|eot_id|> [/INST] <｜end▁of▁sentence｜> <|end|> <|EOT|> <pad> <|return|>'.split(
    ' ',
  );

describe.each(TOKENS)('a left-over %s', (token) => {
  const next = '\n<|im_start|>user\nThanks, that is it<|im_end|>\n';
  all('ends the program', F, [
    `${F}${token}`,
    F.trimEnd() + token,
    `${F.trimEnd()} ${token}`,
    `${F}\n${token}${next}`,
    F.trimEnd() + token + next,
    `${token}\n${F}`,
    `\`\`\`python\n${F}\`\`\`${token}`,
    `\`\`\`python\n${F}${token}`,
    `\`\`\`python\n${F.trimEnd()}${token}`,
  ]);
  all('ends a body', PREFIX + BODY, [BODY + token, BODY.trimEnd() + token + next], PREFIX);
  const text = `def f(x):\n    """Removes\n    ${token}\n    ."""\n    return x.split('${token}')[0] + "a${token}b"\n`;
  all('in a string is the program’s', text, [text, `\`\`\`python\n${text}\`\`\`\n${token}`, `${text}${token}`]);
});

describe('reasoning', () => {
  const tags = ['think', 'reasoning', 'thinking'].map((name) => [`<${name}>`, `</${name}>`] as const);
  for (const [open, close] of tags) {
    all(open, F, [
      `${open}\nFirst:\n\`\`\`python\n${DRAFT}\`\`\`\nWrong.\n${close}\n\`\`\`python\n${F}\`\`\``,
      `${open}\nMaybe\n${DRAFT}No.\n${close}\n${F}`,
      `We try\n${DRAFT}no, so\n${close}\n${F}`,
      `We try\n\`\`\`python\n${DRAFT}\`\`\`\n${close}\n\n\`\`\`python\n${F}\`\`\`\nDone.`,
      `${open}ok${close}${F}`,
      `\`\`\`python\n${F}\`\`\`\n${open}Was it right?${close}`,
    ]);
    all(
      `${open} before a body`,
      PREFIX + BODY,
      [`${open}\n${DRAFT}${close}\n${BODY}`.replace(`${close}\n`, close)],
      PREFIX,
    );
    const text = `import re\ndef f(x):\n    """Removes\n    ${open}\n    ${close}"""\n    return re.sub(r'${open}.*?${close}', '', x)  # ${open}\n`;
    all(`${open} in strings`, text, [
      text,
      `\`\`\`python\n${text}\`\`\``,
      `${open}hm${close}\n\`\`\`python\n${text}\`\`\``,
    ]);
    test(`${open} that is not closed holds no program`, () => {
      expect(of(`${open}\nMaybe\n${F}`)).toBeUndefined();
      expect(of(`${open}\nMaybe\n\`\`\`python\n${F}\`\`\``)).toBeUndefined();
    });
  }
});

describe('fences', () => {
  const infos =
    'python|python3|py|Python|python3.10|{.python}|{python}|python title="x"|python {1,3}|python:main.py|python main.py|text||Python 3|python  hl_lines=1';
  all(
    'an info string',
    F,
    infos
      .split('|')
      .flatMap((info) => [
        `Here:\n\`\`\`${info}\n${F}\`\`\`\nDone.`,
        `~~~${info}\n${F}~~~`,
        `Here:\n\`\`\`${info}\n${F}`,
      ]),
  );
  const line = 'def f(x): return x + 1';
  all('one line', line, [
    `\`\`\`python ${line}\`\`\``,
    `\`\`\` py ${line} \`\`\``,
    `\`\`\`${line}\`\`\``,
    `Solution: \`\`\`python ${line}\`\`\``,
    `\`\`\`python3 ${line}\`\`\` is the answer.`,
    `\`${line}\``,
    `The answer is \`${line}\`.`,
    `\`\`${line}\`\``,
  ]);
  all(
    'a body in one line',
    `${PREFIX}    return x + 1`,
    ['```python return x + 1```', '```return x + 1```', '`return x + 1`'],
    PREFIX,
  );
  all('code on the fence’s line', F, [`\`\`\`python ${F}\`\`\``, `\`\`\`${F}\`\`\``]);
  all('code on the fence’s line, after others', `import math\n${F}`, [`\`\`\`python import math\n${F}\`\`\``]);
  all('indented, in lists, quoted', F, [
    '  ```python\n  def f(x):\n      return x + 1\n  ```',
    '    ```python\n    def f(x):\n        return x + 1\n    ```',
    '1. Write:\n   ```python\n   def f(x):\n       return x + 1\n   ```\n2. Done',
    '- ```python\n  def f(x):\n      return x + 1\n  ```',
    '> ```python\n> def f(x):\n>     return x + 1\n> ```',
    `\`\`\`\`python\n${F}\`\`\`\``,
  ]);
  all('several', F, [
    `\`\`\`python\n${F}\`\`\`\nUsage:\n\`\`\`python\nprint(f(1))\n\`\`\``,
    `\`\`\`python\n${F}\`\`\`\nTests:\n\`\`\`python\ndef test_f():\n    assert f(1) == 2\n\`\`\``,
    `Usage:\n\`\`\`python\nf(1)\n\`\`\`\n\`\`\`python\n${F}\`\`\``,
    `\`\`\`python\ndef g(x):\n    return x\n\`\`\`\nthen\n\`\`\`python\n${F}\`\`\``,
    `\`\`\`python\n${F}\`\`\`\nOr shorter:\n\`\`\`python\n${line}\n\`\`\``,
    `\`\`\`python\n${DRAFT}\`\`\`\nThat is wrong. Final:\n\`\`\`python\n${F}\`\`\``,
    `\`\`\`python\n${DRAFT}\`\`\`\nWait, it returns x.\n\`\`\`python\n${DRAFT}\`\`\`\nFixed:\n\`\`\`python\n${F}\`\`\``,
    `\`\`\`python\n${F}\`\`\`python\nprint(f(1))\n\`\`\``,
    `\`\`\`python\ndef f(x):\n    """Adds\n    return x\n\`\`\`\nOops:\n\`\`\`python\n${F}\`\`\``,
  ]);
  const inside = [
    DOC,
    DOC.replaceAll('    ```', '```'),
    DOC.replace('```\n    f(1)', '```python\n    f(1)'),
    DOC.replaceAll('"""', "'''"),
    'def f(x):\n    s = "```"\n    return len(x.split("```")) - len("a```")\n',
    'def f(x):\n    return f"""\n```{x}\n```\n"""\n',
    'def f(x):\n    # ```\n    # f(1)\n    # ```\n    return x  # as ```f(1)```\n',
    '"""\nExample:\n```\nf(1)\n```\n"""\ndef f(x):\n    return x + 1\n',
  ];
  for (const code of inside)
    all('backticks in strings and comments', code, [
      `\`\`\`python\n${code}\`\`\`\nDone.`,
      code,
      `\`\`\`python\n${code}`,
    ]);
  all(
    'backticks in a body’s docstring',
    `${PREFIX}    """\n    \`\`\`\n    """\n${BODY}`,
    [`    """\n    \`\`\`\n    """\n${BODY}`],
    PREFIX,
  );
  all('tildes in a docstring', DOC.replaceAll('```', '~~~'), [`~~~\n${DOC.replaceAll('```', '~~~')}~~~`]);
});

describe('imports from __future__ and inner functions', () => {
  const head = 'from typing import List\n\ndef helper(x):\n    return x\n\n';
  const future = 'from __future__ import annotations\n';
  all(
    'first, once',
    `${future}${head}\n${F}`,
    [`${future}\n${F}`, `\`\`\`python\n${future}\n${F}\`\`\``],
    head + PREFIX,
  );
  all('in the prompt, too', `${future}${head}\n${F}`, [`${future}\n${F}`], future + head + PREFIX);
  all('beside others', `${future}${head}import math\n${F}`, [`import math\n${future}${F}`], head + PREFIX);

  const inner = '    def f(y):\n        return y + 1\n    return f(x)\n';
  all(
    'an inner function by the entry point’s name',
    PREFIX + inner,
    [inner, inner.trimStart(), `\`\`\`python\n${inner}\`\`\``, 'def f(y):\n    return y + 1\nreturn f(x)\n'],
    PREFIX,
  );
  const cached =
    '    import functools\n\n    @functools.cache\n    def f(y):\n        return y + 1\n\n    return f(x)\n';
  all('with a decorator', PREFIX + cached, [cached], PREFIX);
  all('an indented program is none', F, ['    def f(x):\n        return x + 1\n'], PREFIX);
  const loop = `${PREFIX}    y = x\n    for _ in range(1):\n`;
  all(
    'a completion from the midst of a body',
    `${loop}        y += 1\n    return y`,
    ['        y += 1\n    return y\n', 'y += 1\n    return y\n'],
    loop,
  );
});

test('names of tokens that are Python stay', () => {
  for (const code of [
    'def f(x):\n    return [BOS] + x + [EOS]\n',
    'def f(v):\n    return v[PAD]\n',
    'def f(s):\n    return 0 <s> 1\n',
  ])
    expect(codeOf(code, { entryPoint: 'f' })).toBe(code);
});

describe('what no Python begins with', () => {
  const infos = ['python,linenos', 'python|f.py', 'python // f.py', 'python='];
  all(
    'after a language',
    F,
    infos.map((info) => `\`\`\`${info}\n${F}\`\`\``),
  );
  all('a rule', F, [`${F}\n---\nDone`, `${F}\n***\nDone`]);
  const tokens = ['<fim_suffix>', '<file_sep>', '<jupyter_code>', '<empty_output>', '<extra_id_1>'];
  all(
    'a token of a code model',
    F,
    tokens.flatMap((token) => [F.trimEnd() + token, token + F, `${F.trimEnd()}${token}${token}`]),
  );
  const text = 'def f(x):\n    """\n[DONE]\n"""\n    return x + 1\n';
  all('a marker in a string', text, [text, `\`\`\`python\n${text}\`\`\``]);
});

const INNER = '    def f(y):\n        yield y + 1\n';
describe('an inner function of the entry point’s name', () => {
  const bodies = [
    'for z in f(x):\n        return z',
    'if x: return next(f(x))',
    'with g():\n        return next(f(x))',
  ];
  for (const body of bodies) {
    const text = `${INNER}    ${body}\n`;
    all(
      'is part of the body',
      PREFIX + text,
      [text, `\`\`\`python\n${text}\`\`\``, `${text.trimEnd()}<|endoftext|>`],
      PREFIX,
    );
  }
});
