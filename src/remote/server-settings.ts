// Settings that every server has -> their words, and their checks.
import { existsSync } from 'node:fs';
import { platform } from 'node:os';
import { delimiter, join } from 'node:path';
import { z } from 'zod';
import { described } from '../described.ts';
import { SipfError, shown } from '../errors.ts';
import { MOST } from '../limits.ts';

/** An address up to and with the version. */
export const Address = z
  .url({ protocol: /^https?$/ })
  .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), 'an address without user and password');

/** How long a server of `launch` may take to start. */
export const START_TIMEOUT = described(
  z.number().positive().max(86_400).default(900),
  'Seconds until a server of `launch` answers. Raise it for models that load slowly.',
);

/** How requests are sent. */
export const REQUESTS = {
  retries: described(
    z.number().int().min(0).max(MOST.retries).default(6),
    'How often a request is sent again that got no answer; the waits double from half a second. Raise it where the server restarts meanwhile.',
  ),
  timeout: described(
    z.number().positive().max(300).default(300),
    'Seconds until a request without an answer is sent again; Node.js waits at most 300. Lower it where answers are short.',
  ),
};

export const API_KEY_FROM = described(
  z.string().min(1).nullable().default(null),
  'The environment variable that holds the API key. null: none is sent. Set it where the server asks for a key, which no file keeps.',
);

/**
 * A server has an address, or a command that starts it.
 * @param setting the section that names it: `engine.sampler`.
 * @throws SipfError 'bad-config' where there are both, or neither.
 */
export function checkPlace(
  setting: string,
  url: string | readonly string[] | null,
  launch: readonly string[] | null,
): void {
  if ((url === null) !== (launch === null)) return;
  const got = url === null ? 'neither' : 'both';
  throw new SipfError(
    'bad-config',
    `Expected ${setting}.url or ${setting}.launch, got ${got}. Give the address of a server, or the command that starts one.`,
  );
}

/**
 * A command whose program is not here would fail hours later. Windows finds programs in more ways: there nothing is looked for.
 * @throws SipfError 'bad-config' where the first word of `launch` names no program.
 */
export function checkProgram(setting: string, [program = '']: readonly string[]): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const places = program.includes('/') ? [program] : folders.map((folder) => join(folder, program));
  if (platform() === 'win32' || places.some((place) => existsSync(place))) return;
  throw new SipfError(
    'bad-config',
    `Expected a program as the first word of ${setting}.launch, got ${shown(program)}, which is not here. Install it, or give its path.`,
  );
}

/**
 * The key in the environment variable `name`; null: none is asked for.
 * @throws SipfError 'bad-config' where the variable is not set.
 */
export function apiKeyOf(
  setting: string,
  name: string | null,
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  if (name === null) return null;
  const key = env[name];
  if (key !== undefined && key !== '') return key;
  throw new SipfError(
    'bad-config',
    `Expected an API key in the environment variable ${name} (${setting}.apiKeyFrom), got none. Set that variable.`,
  );
}
