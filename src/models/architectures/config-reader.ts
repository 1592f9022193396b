// A config.json record -> values within bounds, with errors that name file and key.
import { SipfError, shown } from '../../errors.ts';
import type { ModelConfig } from './architecture.ts';

/** What a number may be; absent bounds are open. */
interface Bounds {
  readonly fallback?: number | undefined;
  readonly min?: number;
  readonly max?: number;
}

export interface ConfigReader {
  readonly config: ModelConfig;
  /** Named in errors. */
  readonly file: string;
  /** A whole number from 1 to `max`; `fallback` where the key is absent or null. */
  integer(key: string, bounds: Bounds & { readonly max: number }): number;
  number(key: string, bounds?: Bounds): number;
  boolean(key: string, fallback: boolean): boolean;
  /** Whether the key is there, and not null. */
  has(key: string): boolean;
  /** A positive integer that divides `total`; `total` where absent. */
  divisor(key: string, total: number): number;
  /** Fails unless the key is absent or has this value; `orNull`: null says it as well. */
  expect(key: string, value: string, orNull?: boolean): void;
  /** An error about a key. */
  bad(key: string, expected: string): SipfError;
}

/** @throws SipfError 'bad-input' or 'unsupported', from its methods, naming key and file. */
export function configReader(config: ModelConfig, file: string): ConfigReader {
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
    config,
    file,
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
    expect: (key, value, orNull = false) => {
      const stated = config[key];
      if (stated === undefined || stated === value || (orNull && stated === null)) return;
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
