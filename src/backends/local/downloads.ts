// A backend -> the same, where models are downloaded first, on this thread, with lines.
import type { Backend } from '../../backend.ts';
import type { DownloadProgress } from '../../io/hub-download.ts';
import { withBase } from '../../models/files/adapter-base.ts';
import { isToDownload, resolveAdapter, resolveSource } from '../../models/files/model-source.ts';
import type { ModelSource } from '../../records.ts';

export { isToDownload };

interface DownloadPlace {
  /** Told in lines how far each file is. */
  readonly log: (message: string) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * The engine's thread computes: it hears no signal and writes no lines. So this thread downloads before it asks the engine. A model in a storage
 * stays what it was when it was first asked for; adapters there are looked at each time, because a server loads new ones by old names.
 */
export function downloadingFirst(backend: Backend, { log, now }: DownloadPlace): Backend {
  const onDownload = downloadLines(log, now);
  const seen = new Set<string>();
  const fetched = async (source: ModelSource, signal?: AbortSignal): Promise<void> => {
    const first = (model: string) => {
      const isFresh = !seen.has(model);
      seen.add(model);
      return { signal, onDownload, isFresh };
    };
    const { model, adapter } = source.adapter === undefined ? await withBase(source, first(source.model)) : source;
    await resolveSource(model, first(model));
    if (adapter !== undefined) await resolveAdapter(adapter, { signal, onDownload, isFresh: true });
  };
  return {
    async openPolicy(source) {
      await fetched(source);
      return backend.openPolicy(source);
    },
    async openPrm(source) {
      await fetched(source);
      return backend.openPrm(source);
    },
    async train(job, onStep, call) {
      await fetched(job.source, call?.signal);
      return backend.train(job, onStep, call);
    },
    async describe(source) {
      await fetched(source);
      return backend.describe(source);
    },
    async exportModel(source, job, call) {
      await fetched(source, call?.signal);
      return backend.exportModel(source, job, call);
    },
    initModel: (out, init, call) => backend.initModel(out, init, call),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

/** Longest silence about a file, in milliseconds. */
const LINE_MS = 10_000;

/** Lines about downloads: where a file begins and ends, and from time to time between. */
export function downloadLines(log: (message: string) => void, now: () => number): (progress: DownloadProgress) => void {
  let told = Number.NEGATIVE_INFINITY;
  let file = '';
  return ({ repo, path, bytes, size }) => {
    const next = `${path} of ${repo}`;
    if (next === file && bytes < size && now() - told < LINE_MS) return;
    file = next;
    told = now();
    log(`Download ${next}: ${megabytes(bytes)} of ${megabytes(size)} MB`);
  };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
