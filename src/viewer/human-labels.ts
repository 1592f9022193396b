// human-labels.jsonl of a run directory <-> labels of steps by hand, read on as they are appended.
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { exists, readExactly, withFile } from '../io/file-bytes.ts';
import { nodeDisk } from '../io/files.ts';
import { jsonOf } from '../io/jsonl.ts';
import type { HumanLabel } from './api.ts';
import { Tail } from './tail.ts';

/** In the run directory, beside config.json: no stage reads it, no marker has its hash. */
export const HUMAN_LABELS = 'human-labels.jsonl';
const MOST_NOTE = 2000;

const Label: z.ZodType<HumanLabel> = z.object({
  sampleId: z.string(),
  step: z.number().int().min(0),
  label: z.enum(['good', 'bad', 'unsure']).nullable(),
  note: z.string().max(MOST_NOTE).exactOptional(),
  time: z.iso.datetime({ offset: true }),
});

const LINE_FEED = 0x0a;

/** The labels of one run. Several processes may add to the file; each label is one line, written at once. */
export class HumanLabels {
  readonly #path: string;
  readonly #tail: Tail;
  readonly #byStep = new Map<string, HumanLabel>();
  readonly #faults: string[] = [];
  /** Why the file cannot be read; null: it can, or there is none. */
  #unread: string | null = null;

  constructor(dir: string) {
    this.#path = join(dir, HUMAN_LABELS);
    this.#tail = new Tail(this.#path);
  }

  /** Lines that are no label, which are passed over; a file that cannot be read. */
  get faults(): readonly string[] {
    return this.#unread === null ? this.#faults : [...this.#faults, this.#unread];
  }

  /** The last label of each step that has one, those taken back apart. */
  all(): HumanLabel[] {
    return [...this.#byStep.values()].filter(({ label }) => label !== null);
  }

  /** null: none, or taken back. */
  of(sampleId: string, step: number): HumanLabel | null {
    const found = this.#byStep.get(keyOf({ sampleId, step }));
    return found === undefined || found.label === null ? null : found;
  }

  /** Reads what was appended since. True: there was something. */
  async refresh(): Promise<boolean> {
    this.#unread = null;
    const { lines, first, isNew } = await this.#tail.lines().catch((error: unknown) => {
      if (!(error instanceof SipfError)) throw error;
      this.#unread = error.message;
      return { lines: [], first: 0, isNew: false };
    });
    if (isNew) this.#forget();
    for (const [i, line] of lines.entries()) this.#take(line, `${HUMAN_LABELS}, line ${first + i}`);
    return isNew || lines.length > 0;
  }

  /**
   * Appends a label, and waits until it is on the disk.
   * @throws SipfError 'bad-input' for one that is none; 'write-failed' where the disk refuses, or something else than a file is there.
   */
  async add(label: HumanLabel): Promise<void> {
    const line = `${JSON.stringify(check(Label, label, 'label', `Give a note of ${MOST_NOTE} characters at most.`))}\n`;
    await refuseOther(this.#path);
    await nodeDisk.append(this.#path, (await endsInLine(this.#path)) ? line : `\n${line}`, true);
    await this.refresh();
  }

  #take(line: string, place: string): void {
    if (line === '') return;
    try {
      const label = check(Label, jsonOf(line, place), place);
      this.#byStep.set(keyOf(label), label);
    } catch (error) {
      if (!(error instanceof SipfError)) throw error;
      this.#faults.push(error.message);
    }
  }

  #forget(): void {
    this.#byStep.clear();
    this.#faults.length = 0;
  }
}

function keyOf({ sampleId, step }: Pick<HumanLabel, 'sampleId' | 'step'>): string {
  return JSON.stringify([sampleId, step]);
}

/** A run directory may come from strangers: a link in it would let them choose the file that grows. */
async function refuseOther(path: string): Promise<void> {
  const info = await lstat(path).catch(() => null);
  if (info === null || info.isFile()) return;
  const got = info.isSymbolicLink() ? 'a link' : 'something else';
  throw new SipfError('write-failed', `Expected a file at ${path}, got ${got}. Move it away: a new file is made.`);
}

/** False where a process was killed in the middle of a line. */
async function endsInLine(path: string): Promise<boolean> {
  if (!(await exists(path))) return true;
  return withFile(
    path,
    async (file, size) => size === 0 || (await readExactly(file, path, size - 1, 1))[0] === LINE_FEED,
  );
}
