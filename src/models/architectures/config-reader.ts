// A config.json record -> values within bounds, with errors that name file and key.
import { SipfError, shown } from '../../errors.ts';

/** What a number may be; absent bounds are open. */
interface Bounds {
  readonly fallback?: number | undefined;
  readonly min?: number;
  readonly max?: number;
}

export interface ConfigReader {
  /** A whole number from 1 to `max`; `fallback` where the key is absent or null. */
  integer(key: string, bounds: Bounds & { readonly max: number }): number;
  number(key: string, bounds?: Bounds): number;
  boolean(key: string, fallback: boolean): boolean;
  /** Whether the key is there, and not null. */
  has(key: string): boolean;
  /** A positive integer that divides `total`; `total` where absent. */
  divisor(key: string, total: number): number;
  /** Fails unless the key is absent or has this value. */
  expect(key: string, value: string): void;
  /** An error about a key. */
  bad(key: string, expected: string): SipfError;
}

/**
 * @param file named in errors.
 * @throws SipfError 'bad-input' or 'unsupported', from its methods, naming key and file.
 */
export function configReader(config: Readonly<Record<string, unknown>>, file: string): ConfigReader {
  const bad = (key: string, expected: string): SipfError =>
    new SipfError(
      'bad-input',
      `Expected ${key} in ${file} to be ${expected}, got ${shown(config[key])}. Correct it, or download the model again.`,
    );
  const number = (key: string, { fallback, min = -Number.MAX_VALUE, max = Number.MAX_VALUE }: Bounds = {}): number => {
    const value = config[key] ?? fallback;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw bad(key, `a number${rangeText(min, max)}`);
  };
  const integer: ConfigReader['integer'] = (key, { fallback, min = 1, max }) => {
    const value = config[key] ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw bad(key, `a whole number from ${min} to ${max}`);
  };
  return {
    integer,
    number,
    bad,
    has: (key) => (config[key] ?? null) !== null,
    boolean: (key, fallback) => {
      const value = config[key] ?? fallback;
      if (typeof value === 'boolean') return value;
      throw bad(key, 'true or false');
    },
    divisor: (key, total) => {
      const value = integer(key, { fallback: total, max: total });
      if (total % value === 0) return value;
      throw bad(key, `a divisor of ${total}`);
    },
    expect: (key, value) => {
      if (config[key] === undefined || config[key] === value) return;
      throw new SipfError(
        'unsupported',
        `Expected ${key} "${value}" in ${file}, got ${shown(config[key])}. This model is not supported yet.`,
      );
    },
  };
}

function rangeText(min: number, max: number): string {
  if (min === -Number.MAX_VALUE && max === Number.MAX_VALUE) return '';
  if (max === Number.MAX_VALUE) return ` of at least ${min}`;
  return ` from ${min} to ${max}`;
}
