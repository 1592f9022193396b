// Requests -> replies as signals, kept while they hold; a report has them in the page.
import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { HumanLabel, LabelReply, ReportData } from '../../src/viewer/api.ts';
import { type Query, writeQuery } from './route.ts';

/** What is known of a request. `data` of an older version stays until the new reply comes. */
export interface Known<T> {
  readonly data: T | null;
  readonly error: string | null;
  readonly waiting: boolean;
}

export interface Entry {
  readonly known: Signal<Known<unknown>>;
  /** Of the runs when it was asked for. */
  version: string;
}

export interface Server {
  /** Kept replies by request; asks where there is none of this version. */
  entry(path: string, query: Query, version: string): Entry;
  /** One reply, past what is kept. */
  ask<T>(path: string, query: Query, stop?: AbortSignal): Promise<T>;
  label(run: string, label: Pick<HumanLabel, 'sampleId' | 'step' | 'label'>): Promise<HumanLabel>;
  /** Grows whenever the server answers again after it did not. */
  readonly returns: ReadonlySignal<number>;
  /** Whether the last request found no server. */
  readonly isLost: ReadonlySignal<boolean>;
  /** null: a server answers. */
  readonly report: ReportData | null;
}

/** Replies that are kept at a time. */
const KEPT = 300;

export function createServer(document: Document): Server {
  const report = reportIn(document);
  const entries = new Map<string, Entry>();
  const line = createLine();
  const ask = report === null ? requestsOver(line) : answerOf(report);

  const fill = async (entry: Entry, path: string, query: Query): Promise<void> => {
    const { version } = entry;
    const { known } = entry;
    known.value = { ...known.peek(), waiting: true };
    try {
      const data = await ask<unknown>(path, query);
      if (entry.version === version) known.value = { data, error: null, waiting: false };
    } catch (error) {
      const { data } = known.peek();
      if (entry.version === version) known.value = { data, error: wordsOf(error), waiting: false };
    }
  };

  return {
    report,
    isLost: line.isLost,
    returns: line.returns,
    ask,
    entry: (path, query, version) => {
      const key = keyOf(path, query);
      const old = entries.get(key);
      const entry = old ?? { known: signal<Known<unknown>>({ data: null, error: null, waiting: false }), version: '' };
      entries.delete(key);
      entries.set(key, entry);
      for (const first of entries.keys()) {
        if (entries.size <= KEPT) break;
        entries.delete(first);
      }
      if (entry.version !== version) {
        entry.version = version;
        void fill(entry, path, query);
      }
      return entry;
    },
    label: (run, label) => sendLabel(line, run, label),
  };
}

export function keyOf(path: string, query: Query): string {
  const text = writeQuery(query);
  return text === '' ? path : `${path}?${text}`;
}

function reportIn(document: Document): ReportData | null {
  const element = document.getElementById('sipf-report');
  return element === null ? null : JSON.parse(element.textContent ?? '');
}

function answerOf(report: ReportData): Server['ask'] {
  return async <T>(path: string, query: Query): Promise<T> => {
    const key = keyOf(path, query);
    if (!Object.hasOwn(report.answers, key)) throw new Error(`The report does not have ${key}.`);
    return report.answers[key] as T;
  };
}

/** The line to the server, which may be stopped and started again, or behind a tunnel that breaks. */
interface Line extends Pick<Server, 'isLost' | 'returns'> {
  readonly send: (address: string, init: RequestInit) => Promise<Response>;
}

function createLine(): Line {
  const isLost = signal(false);
  const returns = signal(0);
  const send = async (address: string, init: RequestInit): Promise<Response> => {
    try {
      const reply = await fetch(address, init);
      if (isLost.peek()) returns.value += 1;
      isLost.value = false;
      return reply;
    } catch (error) {
      if (error instanceof TypeError) isLost.value = true;
      throw error;
    }
  };
  return { isLost, returns, send };
}

function requestsOver({ send }: Line): Server['ask'] {
  return async <T>(path: string, query: Query, stop?: AbortSignal): Promise<T> =>
    readReply<T>(await send(keyOf(path, query), stop === undefined ? {} : { signal: stop }));
}

async function sendLabel(
  { send }: Line,
  run: string,
  label: Pick<HumanLabel, 'sampleId' | 'step' | 'label'>,
): Promise<LabelReply['label']> {
  const reply = await send(keyOf('api/labels', { run }), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-sipf-annotate': '1' },
    body: JSON.stringify(label),
  });
  return (await readReply<LabelReply>(reply)).label;
}

async function readReply<T>(reply: Response): Promise<T> {
  const body: unknown = await reply.json().catch(() => null);
  if (reply.ok && body !== null) return body as T;
  const told = typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : null;
  throw new Error(told ?? `The server answered ${reply.status} without a reason.`);
}

export function wordsOf(error: unknown): string {
  if (error instanceof TypeError) return 'No answer from sipf view. Is it still running?';
  return error instanceof Error ? error.message : String(error);
}
