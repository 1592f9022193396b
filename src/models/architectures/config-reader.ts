// A config.json record -> values within bounds, with errors that name file and key.
import { SipfError, shown } from '../../errors.ts';
import type { ModelConfig } from './architecture.ts';

/** What a number may be; absent bounds are open. */
interface Bounds {
  readonly fallback?: number | undefined;
  readonly min?: number;
  readonly max?: number;
}

/** Its methods throw SipfError 'bad-input' or 'unsupported', which name key and file. */
export class ConfigReader {
  readonly config: ModelConfig;
  readonly file: string;

  constructor(config: ModelConfig, file: string) {
    this.config = config;
    this.file = file;
  }

  /** An error about a key. */
  bad(key: string, expected: string): SipfError {
    return new SipfError(
      'bad-input',
      `Expected ${key} in ${this.file} to be ${expected}, got ${shown(this.config[key])}. Correct it, or download the model again.`,
    );
  }

  /** Whether the key is there, and not null. */
  has(key: string): boolean {
    return (this.config[key] ?? null) !== null;
  }

  number(key: string, { fallback, min = -Number.MAX_VALUE, max = Number.MAX_VALUE }: Bounds = {}): number {
    const value = this.config[key] ?? fallback;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw this.bad(key, `a number${rangeText(min, max)}`);
  }

  /** A whole number from 1 to `max`; `fallback` where the key is absent or null. */
  integer(key: string, { fallback, min = 1, max }: Bounds & { readonly max: number }): number {
    const value = this.config[key] ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw this.bad(key, `a whole number from ${min} to ${max}`);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.config[key] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.bad(key, 'true or false');
  }

  /** A positive integer that divides `total`; `total` where absent. */
  divisor(key: string, total: number): number {
    const value = this.integer(key, { fallback: total, max: total });
    if (total % value === 0) return value;
    throw this.bad(key, `a divisor of ${total}`);
  }

  /** Fails unless the key is absent or has this value; `orNull`: null says it as well. */
  expect(key: string, value: string, orNull = false): void {
    const stated = this.config[key];
    if (stated === undefined || stated === value || (orNull && stated === null)) return;
    throw new SipfError(
      'unsupported',
      `Expected ${key} "${value}" in ${this.file}, got ${shown(stated)}. This model is not supported yet.`,
    );
  }
}

function rangeText(min: number, max: number): string {
  if (min === -Number.MAX_VALUE && max === Number.MAX_VALUE) return '';
  if (max === Number.MAX_VALUE) return ` of at least ${min}`;
  return ` from ${min} to ${max}`;
}
