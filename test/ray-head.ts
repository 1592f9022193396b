// Jobs of a Ray cluster, as its head answers for them: started as processes of this machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

interface Job {
  status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED';
  message: string | null;
  driver_exit_code: number | null;
  readonly submission: Submission;
  child: ChildProcess | null;
  isStopping: boolean;
}

export interface Submission {
  readonly submission_id: string;
  readonly entrypoint: string;
  readonly runtime_env: { readonly working_dir: string; readonly env_vars: Readonly<Record<string, string>> };
  readonly entrypoint_num_gpus: number;
}

export interface RayOptions {
  readonly folder: string;
  /** Asked of every caller; absent: of none. */
  readonly token?: string;
  readonly gpus?: number;
  /** Where its jobs begin, as if the uploaded program were unpacked there. */
  readonly cwd?: string;
}

/** Answers as Ray 2.60 does (dashboard/modules/job), as far as a trainer asks. */
export class FakeRay implements AsyncDisposable {
  readonly jobs = new Map<string, Job>();
  readonly packages = new Map<string, Buffer>();
  /** `POST /api/jobs/` of each request. */
  readonly asked: string[] = [];
  /** Status of an answer, in place of the right one; 0 cuts the connection, behind the work; undefined: none. */
  fault: (what: string) => number | undefined = () => undefined;
  gpus: number;
  readonly #options: RayOptions;
  #server: Server | null = null;
  #port = 0;

  constructor(options: RayOptions) {
    this.#options = options;
    this.gpus = options.gpus ?? 0;
    mkdirSync(options.folder, { recursive: true });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Jobs go on. */
  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
    this.#server = null;
  }

  /** The cluster ends with all of its jobs, and forgets them. */
  async forget(): Promise<void> {
    for (const { child } of this.jobs.values()) this.#signal(child, 'SIGKILL');
    this.jobs.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forget();
    if (this.#server !== null) await this.close();
  }

  logOf(id: string): string {
    const path = join(this.#options.folder, `${id}.log`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = 'GET', url: path = '' } = request;
    this.asked.push(`${method} ${path}`);
    const fault = this.fault(`${method} ${path}`);
    if (fault !== undefined && fault !== 0) return reply(response, fault, 'Traceback\nKeyError: no agent');
    if (method !== 'GET' && request.headers['sec-fetch-mode'] !== undefined)
      return reply(response, 405, `'${method}' method not allowed for browser traffic.`);
    const { token } = this.#options;
    const given = request.headers.authorization;
    if (token !== undefined && given === undefined)
      return reply(response, 401, 'Unauthorized: Missing authentication token');
    if (token !== undefined && given !== `Bearer ${token}`)
      return reply(response, 403, 'Forbidden: Invalid authentication token');
    const [status, body] = this.#work(`${method} ${path}`, Buffer.concat(chunks));
    if (fault === 0) response.destroy();
    else reply(response, status, body);
  }

  #work(what: string, body: Buffer): readonly [number, unknown] {
    if (what === 'GET /api/version') return [200, { version: '4', ray_version: '2.60.0' }];
    const [, verb = '', name = ''] = /^(\w+) \/api\/packages\/gcs\/(.+)$/.exec(what) ?? [];
    if (verb === 'PUT') this.packages.set(name, body);
    if (verb !== '') return this.packages.has(name) ? [200, ''] : [404, `Package gcs://${name} does not exist`];
    if (what === 'POST /api/jobs/') return this.#submit(JSON.parse(body.toString()) as Submission);
    const [, how = '', id = '', of = ''] = /^(\w+) \/api\/jobs\/([^/]+)(.*)$/.exec(what) ?? [];
    const job = this.jobs.get(id);
    if (job === undefined) return [404, how === '' ? 'Not Found' : `Job ${id} does not exist`];
    if (of === '/logs') return [200, { logs: this.logOf(id) }];
    if (of === '/stop') return [200, { stopped: this.#stop(job) }];
    if (how === 'DELETE') return [200, { deleted: this.jobs.delete(id) }];
    const { status, message, driver_exit_code, submission } = job;
    return [200, { ...submission, status, message, driver_exit_code }];
  }

  #submit(submission: Submission): readonly [number, unknown] {
    const { submission_id: id } = submission;
    if (this.jobs.has(id)) return [500, `Traceback\nValueError: Job with submission_id ${id} already exists.\n.`];
    if (!this.packages.has(submission.runtime_env.working_dir.replace('gcs://', '')))
      return [500, 'Traceback\nno package'];
    const message = 'Job has not started yet. It may be waiting for resources (CPUs, GPUs) to become available.';
    const job: Job = {
      status: 'PENDING',
      message,
      driver_exit_code: null,
      submission,
      child: null,
      isStopping: false,
    };
    this.jobs.set(id, job);
    this.#startWaiting();
    return [200, { job_id: id, submission_id: id }];
  }

  /** Those whose GPUs are there. */
  #startWaiting(): void {
    for (const [id, job] of this.jobs)
      if (job.status === 'PENDING' && job.submission.entrypoint_num_gpus <= this.gpus) this.#start(id, job);
  }

  addGpus(gpus: number): void {
    this.gpus += gpus;
    this.#startWaiting();
  }

  #start(id: string, job: Job): void {
    const log = openSync(join(this.#options.folder, `${id}.log`), 'a');
    const { entrypoint, runtime_env } = job.submission;
    const { cwd } = this.#options;
    const env = { ...process.env, ...runtime_env.env_vars };
    job.child = spawn(entrypoint, { shell: true, detached: true, stdio: ['ignore', log, log], env, cwd });
    closeSync(log);
    job.status = 'RUNNING';
    job.message = 'Job is currently running.';
    job.child.on('exit', (code, signal) => {
      const exit = signal === 'SIGKILL' ? -9 : (code ?? -15);
      if (job.isStopping) Object.assign(job, { status: 'STOPPED', message: 'Job was intentionally stopped.' });
      else if (exit === 0) Object.assign(job, { status: 'SUCCEEDED', driver_exit_code: 0 });
      else Object.assign(job, { status: 'FAILED', driver_exit_code: exit, message: `failed with exit code ${exit}` });
    });
    if (job.isStopping) this.#stop(job);
  }

  /** One that waits is stopped when it starts. */
  #stop(job: Job): boolean {
    if (job.status !== 'PENDING' && job.status !== 'RUNNING') return false;
    job.isStopping = true;
    this.#signal(job.child, 'SIGTERM');
    const { RAY_JOB_STOP_WAIT_TIME_S = '3' } = job.submission.runtime_env.env_vars;
    setTimeout(() => this.#signal(job.child, 'SIGKILL'), 1000 * Number(RAY_JOB_STOP_WAIT_TIME_S)).unref();
    return true;
  }

  #signal(child: ChildProcess | null, name: NodeJS.Signals): void {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-child.pid, name);
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status);
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
