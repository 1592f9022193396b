// A command -> a server on a free port of this machine: started when asked for, watched, ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printable, SipfError, shellWord, throwIfAborted } from '../errors.ts';
import type { Waits } from './server-requests.ts';

/** How often a starting server is asked, in milliseconds. */
const ASK_MS = 250;
const LAST_LINES = 12;

export interface LaunchOptions {
  /** The setting that has the command: `engine.sampler.launch`. */
  readonly setting: string;
  /** Its words, with {port} and the names of `places` in braces. */
  readonly command: readonly string[];
  readonly places: Readonly<Record<string, string>>;
  /** Seconds until it answers. */
  readonly startTimeout: number;
  /** The program that ends the server with this process; default: keeper.js beside this file. Tests of the sources name the built one. */
  readonly keeper?: URL | undefined;
}

/** Told of starts and ends. */
interface LaunchParts extends Pick<Waits, 'wait'> {
  readonly log: (message: string) => void;
}

interface Running {
  readonly process: ChildProcess;
  readonly url: string;
  readonly logFile: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<unknown>;
}

/** One server at a time. A keeper stands between: it ends the server when this process is gone, also by kill -9. */
export class LaunchedServer implements AsyncDisposable {
  readonly #options: LaunchOptions;
  readonly #parts: LaunchParts;
  #running: Running | null = null;
  #starting: Promise<Running> | null = null;

  constructor(options: LaunchOptions, parts: LaunchParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Its address up to and with the version. Starts it where it does not run, also after a crash.
   * @throws SipfError 'unreachable' with its last lines where it ends before it answers, or does not answer in time; 'aborted'.
   */
  async url(signal: AbortSignal): Promise<string> {
    if (this.#running !== null && this.isRunning) return this.#running.url;
    if (this.#running !== null) this.#parts.log(`The server has ended, and is started again. ${ending(this.#running)}`);
    this.#running = null;
    this.#starting ??= this.#start(signal).finally(() => {
      this.#starting = null;
    });
    this.#running = await this.#starting;
    return this.#running.url;
  }

  get isRunning(): boolean {
    return this.#running !== null && isRunning(this.#running);
  }

  /** Ends it; the next request starts it again. */
  async stop(): Promise<void> {
    const running = (await this.#starting?.catch(() => null)) ?? this.#running;
    this.#running = null;
    if (running !== null) await endOf(running);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(signal: AbortSignal): Promise<Running> {
    const { command, keeper = new URL('./keeper.js', import.meta.url) } = this.#options;
    const port = await freePort();
    const places: Readonly<Record<string, string>> = { ...this.#options.places, port: String(port) };
    const words = command.map((word) => word.replace(/\{(\w+)\}/g, (whole, key: string) => places[key] ?? whole));
    const logFile = join(mkdtempSync(join(tmpdir(), 'sipf-server-')), 'server.log');
    this.#parts.log(`Starts ${words.map(shellWord).join(' ')}; its output is in ${logFile}.`);
    const output = openSync(logFile, 'a');
    const child = spawn(process.execPath, [fileURLToPath(keeper), ...words], {
      detached: true,
      stdio: ['pipe', output, output],
    });
    closeSync(output);
    child.stdin?.on('error', () => undefined);
    const ended = once(child, 'close').catch(() => undefined);
    const running = { process: child, url: `http://127.0.0.1:${port}/v1`, logFile, ended };
    try {
      await this.#untilItAnswers(running, signal);
      return running;
    } catch (error) {
      await endOf(running);
      throw error;
    }
  }

  async #untilItAnswers(running: Running, signal: AbortSignal): Promise<void> {
    const { startTimeout, setting } = this.#options;
    for (let waited = 0; waited < startTimeout * 1000; waited += ASK_MS) {
      throwIfAborted(signal);
      if (!isRunning(running)) throw notStarted(setting, running, 'it ended');
      if (await answers(`${running.url}/models`)) return;
      await this.#parts.wait(ASK_MS, signal).catch(() => throwIfAborted(signal));
    }
    throw notStarted(setting, running, `no answer within ${startTimeout} s`);
  }
}

const isRunning = ({ process: child }: Running): boolean => child.exitCode === null && child.signalCode === null;

/** Its input ends, and so the keeper ends it; a keeper that hangs is killed. */
async function endOf({ process: child, ended }: Running): Promise<void> {
  child.stdin?.end();
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}

async function answers(url: string): Promise<boolean> {
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(5000) });
    // 503: it still loads its model. Any other answer is one: what it says is read later.
    return status !== 503;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** What a server said last. */
function ending({ logFile }: Running): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LAST_LINES);
  return `Its last lines (${logFile}):\n${lines.map((line) => printable(line)).join('\n')}`;
}

function notStarted(setting: string, running: Running, got: string): SipfError {
  return new SipfError(
    'unreachable',
    `Expected the command of ${setting} to start a server that answers at ${running.url}, got ${got}. Correct the command, with {port} for its port. ${ending(running)}`,
  );
}
