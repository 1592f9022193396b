// An unexpected error and the command line -> the lines that a report needs. Nothing is sent.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { shellWord } from '../errors.ts';

const Package = z.object({ version: z.string(), bugs: z.object({ url: z.string() }).optional() });

/** This package's own package.json. */
export function ownPackage(): z.infer<typeof Package> {
  return Package.parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));
}

/** What to send, and where to. */
export function bugReport(name: string, error: unknown, words: readonly string[]): string[] {
  const { version, bugs } = ownPackage();
  const where = bugs?.url ?? 'the people you have sipf from';
  return [
    `${name}: this is a bug in sipf. Please report it to ${where}, with the lines below (README.md, "Report a bug").`,
    `sipf ${version}, Node.js ${process.version}, ${process.platform} ${process.arch}`,
    `Command: ${[name, ...words].map(shellWord).join(' ')}`,
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  ];
}
