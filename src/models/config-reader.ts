// A config.json record -> typed values, with errors that name the key. Knows no architecture.
import { SipfError } from '../errors.ts';

export interface ConfigReader {
  /** A positive integer; `fallback` where the key is absent or null. */
  integer(key: string, fallback?: number): number;
  number(key: string, fallback?: number): number;
  boolean(key: string, fallback: boolean): boolean;
  /** A positive integer that divides `total`; `total` where absent. */
  divisor(key: string, total: number): number;
  /** Fails unless the key is absent or has this value. */
  expect(key: string, value: string): void;
}

export function configReader(config: Readonly<Record<string, unknown>>): ConfigReader {
  const bad = (key: string, expected: string): never => {
    throw new SipfError(
      'bad-input',
      `Expected ${key} in config.json to be ${expected}, got ${JSON.stringify(config[key])}. Check the model folder.`,
    );
  };
  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    return typeof value === 'number' && Number.isFinite(value) ? value : bad(key, 'a number');
  };
  const integer = (key: string, fallback?: number): number => {
    const value = number(key, fallback);
    return Number.isInteger(value) && value > 0 ? value : bad(key, 'a positive integer');
  };
  return {
    integer,
    number,
    boolean: (key, fallback) => {
      const value = config[key] ?? fallback;
      return typeof value === 'boolean' ? value : bad(key, 'true or false');
    },
    divisor: (key, total) => {
      const value = integer(key, total);
      return total % value === 0 ? value : bad(key, `a divisor of ${total}`);
    },
    expect: (key, value) => {
      if (config[key] !== undefined && config[key] !== value) {
        throw new SipfError(
          'unsupported',
          `Expected ${key} "${value}" in config.json, got ${JSON.stringify(config[key])}. This model is not supported yet.`,
        );
      }
    },
  };
}
