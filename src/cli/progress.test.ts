// Counts of finished work -> the live line, and the plain lines where there is no terminal.
import { describe, expect, it } from 'vitest';
import { formatDuration, startProgress } from './progress.ts';

function setUp(isTTY: boolean, total?: number) {
  let time = 0;
  const written: string[] = [];
  const sink = { isTTY, columns: 80, write: (text: string) => written.push(text) };
  const progress = startProgress(sink, { title: 'label', unit: 'paths', total }, () => time);
  return {
    progress,
    written,
    at: (ms: number) => {
      time = ms;
    },
  };
}

describe('startProgress', () => {
  it('writes plain lines seldom where there is no terminal', () => {
    const { progress, written, at } = setUp(false, 100);
    for (let second = 1; second <= 25; second++) {
      at(second * 1000);
      progress.update(second);
    }
    progress.end();
    expect(written).toHaveLength(4);
    expect(written.join('')).not.toContain('\u001b');
    expect(written[1]).toBe('label: 11/100 paths · 1.0 paths/s · 11s · ETA 1m 29s\n');
    expect(written.at(-1)).toContain('25/100 paths');
  });

  it('redraws one line on a terminal and cuts it to the width', () => {
    const { progress, written, at } = setUp(true, 10);
    at(5000);
    progress.update(5, 'x'.repeat(200));
    progress.end();
    expect(written[0]!.startsWith('\r\u001b[2Klabel: 5/10 paths')).toBe(true);
    expect(written[0]!.length).toBeLessThan(90);
    expect(written.at(-1)).toBe('\n');
  });

  it('shows no ETA before it knows a rate, nor without a total', () => {
    const early = setUp(true, 10);
    early.at(1000);
    early.progress.update(1);
    expect(early.written[0]).not.toContain('ETA');
    const open = setUp(true);
    open.at(10_000);
    open.progress.update(5);
    expect(open.written[0]).toBe('\r\u001b[2Klabel: 5 paths · 30.0 paths/min · 10s');
  });

  it('takes the rate from recent work and not from what a resumed run found', () => {
    const { progress, written, at } = setUp(true, 1000);
    progress.update(900);
    at(10_000);
    progress.update(910);
    expect(written.at(-1)).toContain('1.0 paths/s');
    expect(written.at(-1)).toContain('ETA 1m 30s');
    for (let second = 11; second <= 200; second++) {
      at(second * 1000);
      progress.update(910 + (second - 10) * 0.1);
    }
    expect(written.at(-1)).toContain('6.0 paths/min');
  });
});

it('formatDuration', () => {
  expect([8400, 125_000, 3_720_000].map(formatDuration)).toEqual(['8s', '2m 05s', '1h 02m']);
});
