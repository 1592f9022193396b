// The command of a host -> one child process that grades programs, with time and memory watched.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Program } from '../sandbox.ts';
import { frameOf } from './host/frames.ts';
import type { HostMessage } from './host/main.ts';
import type { HostCommand } from './host-command.ts';
import { FrameReader } from './message-frames.ts';
import { type Ran, type Runner, wrong } from './pool.ts';

const START_MS = 120_000;
const WATCH_MS = 25;
const KEPT_STDERR = 2000;
const PAGE_BYTES = 4096;

interface HostLimits {
  /** Resident memory of the whole process, bytes. */
  readonly residentBytes: number;
}

type Event = { readonly message: HostMessage } | { readonly ended: string };

/** One host process. */
export class HostProcess implements Runner {
  readonly #child: ChildProcess;
  readonly #limits: HostLimits;
  #usable = true;
  #stderr = '';
  #listener: ((event: Event) => void) | null = null;

  private constructor(command: HostCommand, limits: HostLimits) {
    this.#limits = limits;
    this.#child = spawn(command.program, command.args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, cwd: '/' });
    const reader = new FrameReader((frame) => this.#tell({ message: JSON.parse(frame.toString()) as HostMessage }));
    this.#child.stdout?.on('data', (chunk: Buffer) => reader.push(chunk));
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-KEPT_STDERR);
    });
    this.#child.stdin?.on('error', () => {});
    this.#child.on('error', (error) => this.#tell({ ended: error.message }));
    this.#child.on('close', (code, signal) =>
      this.#tell({ ended: `it ended with ${signal ?? `code ${code}`}${this.#said()}` }),
    );
  }

  /**
   * Starts a host and waits until it is ready.
   * @throws Error with what it said before it ended.
   */
  static async start(command: HostCommand, limits: HostLimits): Promise<HostProcess> {
    const host = new HostProcess(command, limits);
    const event = await host.#next(START_MS);
    if (event && 'message' in event && 'ready' in event.message) {
      host.#hold(false);
      return host;
    }
    host.kill();
    throw new Error(event && 'ended' in event ? event.ended : `it was not ready after ${START_MS / 1000} s`);
  }

  get usable(): boolean {
    return this.#usable;
  }

  async grade(program: Program, timeoutMs: number): Promise<Ran> {
    this.#hold(true);
    this.#child.stdin?.write(frameOf(Buffer.from(JSON.stringify(program))));
    let swollen = false;
    const watch = setInterval(() => {
      swollen ||= this.#resident() > this.#limits.residentBytes;
      if (swollen) this.kill();
    }, WATCH_MS);
    const event = await this.#next(timeoutMs);
    clearInterval(watch);
    if (event && 'message' in event && 'verdict' in event.message) {
      if (event.message.last) this.kill();
      this.#hold(false);
      return { kind: 'verdict', verdict: event.message.verdict };
    }
    this.kill();
    if (swollen) return wrong('memory', `the program's process took more than ${this.#limits.residentBytes} bytes`);
    if (!event) return wrong('timeout', `no end after ${timeoutMs} ms`);
    return { kind: 'lost', detail: 'ended' in event ? event.ended : 'it said something else than a verdict' };
  }

  kill(): void {
    this.#usable = false;
    this.#child.kill('SIGKILL');
  }

  #tell(event: Event): void {
    if ('ended' in event) this.#usable = false;
    this.#listener?.(event);
  }

  /** The next event; null after `ms`. */
  #next(ms: number): Promise<Event | null> {
    return new Promise((resolve) => {
      const settle = (event: Event | null) => {
        clearTimeout(timer);
        this.#listener = null;
        resolve(event);
      };
      const timer = setTimeout(settle, ms, null);
      this.#listener = settle;
    });
  }

  /** An idle host does not keep this process alive. */
  #hold(busy: boolean): void {
    const act = busy ? 'ref' : 'unref';
    const pipes = [this.#child.stdin, this.#child.stdout, this.#child.stderr] as (Readable | Writable | null)[];
    for (const part of [this.#child, ...pipes] as ({ ref?(): void; unref?(): void } | null)[]) part?.[act]?.();
  }

  /** Resident bytes, where the kernel says. */
  #resident(): number {
    try {
      return Number(readFileSync(`/proc/${this.#child.pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
    } catch {
      return 0;
    }
  }

  #said(): string {
    // The first line that names an error: what comes before it may be a whole minified source.
    const line = this.#stderr.split('\n').find((text) => /\b\w*Error\b/.test(text) && text.length < 500);
    return line ? ` (${line.trim()})` : '';
  }
}
