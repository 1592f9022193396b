// A configuration and a run directory -> that run up to a stage, and what this process needed.
import { openBackend } from '#sipf/backends/index.js';
import { engineOf } from '#sipf/config/engine.js';
import { parseConfig } from '#sipf/config/load.js';
import { runLoop } from '#sipf/pipeline/run-loop.js';

export interface DriverSettings {
  readonly config: unknown;
  readonly out: string;
  /** The last stage, such as `1-samples`. */
  readonly until: string;
}

/** What the driver tells its parent. */
export interface DriverFigures {
  readonly type: 'progress' | 'stage-start' | 'stage-end';
  readonly stage: string;
  readonly done: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssMB: number;
  readonly heapMB: number;
}

const { config: given, out, until } = JSON.parse(process.argv[2] ?? '') as DriverSettings;
const stop = new AbortController();
const now = { stage: '', done: 0 };

function tell(type: DriverFigures['type']): void {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const used = { cpuSeconds: (user + system) / 1e6, rssMB: rss / 2 ** 20, heapMB: heapUsed / 2 ** 20 };
  process.send?.({ type, ...now, seconds: performance.now() / 1000, ...used } satisfies DriverFigures);
}

const timer = setInterval(() => tell('progress'), 1000);
const config = parseConfig(given);
{
  await using backend = await openBackend(engineOf(config), { log: console.error });
  await runLoop({
    config,
    out,
    backend,
    signal: stop.signal,
    onProgress: ({ done }) => {
      now.done = done;
    },
    log: ({ type, stage = '', message }) => {
      if (type === 'warning') console.error(message);
      if (type !== 'stage-start' && type !== 'stage-end') return;
      if (type === 'stage-start') Object.assign(now, { stage, done: 0 });
      tell(type);
      if (type === 'stage-end' && stage === until) stop.abort();
    },
  }).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
}
clearInterval(timer);
process.disconnect?.();
