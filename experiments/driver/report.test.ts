// A table -> its place between the markers of a document, and what its figures look like.
import { describe, expect, it } from 'vitest';
import { compareArms } from './comparison.ts';
import { renderExperiment, replaceSection } from './report.ts';

const section = { path: 'RESULTS.md', name: 'experiment:mini' };
const marked = (body: string) => `<!-- experiment:mini -->\n${body}\n<!-- /experiment:mini -->`;

describe('replaceSection', () => {
  it('replaces what is between the markers and nothing else', () => {
    const text = `# Results\r\n\n${marked('old\n| table |')}\n\nAfter <!-- experiment:other -->x`;
    const replaced = replaceSection(text, 'new', section);
    expect(replaced).toBe(`# Results\r\n\n${marked('new')}\n\nAfter <!-- experiment:other -->x`);
    expect(replaceSection(replaced, 'new', section)).toBe(replaced);
  });

  it('keeps text that looks like a replacement pattern', () => {
    expect(replaceSection(marked('x'), "$& $1 $'", section)).toBe(marked("$& $1 $'"));
  });

  it('puts the section at the end of a document without markers', () => {
    expect(replaceSection('', 'new', section)).toBe(`${marked('new')}\n`);
    expect(replaceSection('# Results', 'new', section)).toBe(`# Results\n\n${marked('new')}\n`);
  });

  it.each([
    '<!-- experiment:mini -->',
    '<!-- /experiment:mini -->',
    '<!-- /experiment:mini --> <!-- experiment:mini -->',
    `${marked('a')}${marked('b')}`,
  ])('refuses half a pair or two: %s', (text) => {
    expect(() => replaceSection(text, 'new', section)).toThrow(/RESULTS\.md/);
  });
});

describe('renderExperiment', () => {
  const round = {
    iteration: 1,
    valid: null,
    optimizerTokens: 5,
    prmTokens: 0,
    figures: null,
    warnings: [],
    seconds: 65,
  };
  const cost = { promptTokens: 0, generatedTokens: 0, scoredTokens: 0, trainTokens: 0, flops: 0 };
  const arm = {
    arm: 'sipf',
    column: 'tokens',
    seed: 7,
    method: 'sipf',
    scorer: 'prm',
    parameters: 10,
    lora: false,
    policies: { start: 'a', last: 'b' },
    test: { task: 'mini', split: 'test', questions: 'q', start: '1000', last: '0110' },
    rounds: [{ ...round, cost, pairs: { pairs: 12 } }],
    total: { optimizerTokens: 12_345, flops: 1.5e9, seconds: 65 },
  } as const;

  it('shows points with signs, intervals, single seeds, costs and times', () => {
    const padded = renderExperiment({
      comparison: compareArms([arm]),
      summaries: [arm],
      command: 'npm run experiment -- mini',
      tuningSeeds: [0, 7],
      notes: ['seed 7 siof failed: no pairs'],
    });
    const text = padded.replace(/ +/g, ' ');
    expect(text).toMatch(/^\| start \| 25\.0 \(25\.0\) \| - \|/m);
    expect(text).toMatch(
      /^\| sipf \| 50\.0 \(50\.0\) \| \+25\.0 \(-\d+\.\d to \+\d+\.\d\) \| \+25\.0 \| - \| - \| 12 \| 12,345 \| 1\.50e\+9 \| 1m 05s \|$/m,
    );
    expect(text).toContain('of which 7 used in tuning');
    expect(text).toContain('- seed 7 siof failed: no pairs');
    expect(text).not.toContain('**B.');
  });
});
