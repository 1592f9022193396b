// A folder of results -> summaries of the runs that they are of, by the name of the run.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { parseJsonText } from '../io/json-text.ts';
import { type Cell, folderOf, nameOf } from './cell.ts';
import { CellSummary } from './cell-summary.ts';

/** A summary, and the file that it is in. */
export interface KeptSummary {
  readonly file: string;
  readonly summary: CellSummary;
}

/** The file of a run's summary in a folder of results. */
export const summaryFile = (cell: Cell): string => `seed-${cell.seed}-${folderOf(cell)}.json`;

const SUMMARY_FILE = /^seed-\d+-.*\.json$/;

/**
 * All summaries of a folder that an experiment has written.
 * @throws SipfError 'not-found' where there is no such folder or none is in it, 'bad-input' naming file and field.
 */
export async function readKept(dir: string): Promise<Map<string, KeptSummary>> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => SUMMARY_FILE.test(name)).sort();
  if (names.length === 0)
    throw new SipfError(
      'not-found',
      `Expected results of an experiment in ${dir} (seed-N-ROW.json), got none. Check the path.`,
    );
  const kept = new Map<string, KeptSummary>();
  for (const name of names) {
    const file = join(dir, name);
    const summary = check(CellSummary, jsonIn(await readFile(file, 'utf8'), file), file, REMEDY);
    if (summaryFile(summary) !== name)
      throw new SipfError(
        'bad-input',
        `${file}: Expected the results of ${name}, got those of ${summaryFile(summary)}. Rename the file.`,
      );
    kept.set(nameOf(summary), { file, summary });
  }
  return kept;
}

const REMEDY = 'Delete the file to run it again.';

function jsonIn(text: string, file: string): unknown {
  try {
    return parseJsonText(text);
  } catch (cause) {
    const got = `text that is not JSON (${messageOf(cause)})`;
    throw new SipfError('bad-input', `Expected JSON in ${file}, got ${got}. ${REMEDY}`, { cause });
  }
}
