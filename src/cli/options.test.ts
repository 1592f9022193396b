// Text of options, good and bad -> checked values, or an error that names the option.
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { integer, limit, number, repeated, withSandbox } from './options.ts';

describe('option parsers', () => {
  it('take numbers within their range only', () => {
    expect(number({ min: 0 })('0.7')).toBe(0.7);
    expect(number()('-1e-3')).toBe(-0.001);
    for (const bad of ['', 'x', '1x', '-0.1', 'Infinity', 'NaN', '0x10']) {
      expect(() => number({ min: 0 })(bad)).toThrow(/Expected a number of at least 0, got/);
    }
    expect(() => number({ min: 0, open: true })('0')).toThrow('above 0');
  });

  it('take integers only', () => {
    expect(integer({ min: 1 })('12')).toBe(12);
    for (const bad of ['1.5', '0', '1e3', '99999999999999999999'])
      expect(() => integer({ min: 1 })(bad)).toThrow(/integer/);
  });

  it('take a limit with or without the word first', () => {
    expect([limit('50'), limit('first 50')]).toEqual([50, 50]);
    expect(() => limit('last 50')).toThrow();
  });

  it('give a program as much time in a command as in a run', () => {
    expect(withSandbox(new Command('grade')).opts()).toEqual({ sandbox: 'embedded', timeout: 10 });
    expect(parseConfig({}).sandbox).toEqual({ kind: 'embedded', timeout: 10 });
  });

  it('collect repeated options', () => {
    expect(repeated('b', repeated('a'))).toEqual(['a', 'b']);
  });
});
