// The head of a Ray cluster: its Jobs API over HTTP, and what its refusals mean.
import { z } from 'zod';
import { printable, SipfError } from '../../errors.ts';
import { plainFetch } from '../../remote/plain-fetch.ts';
import { isBusy, type Reply, type ServerRequest, ServerRequests, type Waits } from '../../remote/server-requests.ts';
import { apiKeyOf } from '../../remote/server-settings.ts';
import { mayPass } from '../../retries.ts';
import type { RaySettings } from '../ray-settings.ts';
import type { Package } from './program-package.ts';

const SETTING = 'engine.trainer.ray';
/** Seconds. */
const TIMEOUT = 60;

const JobInfo = z.object({
  status: z.enum(['PENDING', 'RUNNING', 'STOPPED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullish(),
  driver_exit_code: z.number().int().nullish(),
});
export type JobInfo = z.infer<typeof JobInfo>;

/** What a job is, as `POST /api/jobs/` takes it. */
export interface Submission {
  readonly entrypoint: string;
  readonly runtime_env: object;
  readonly entrypoint_num_cpus: number;
  readonly entrypoint_num_gpus: number;
  readonly entrypoint_resources: Readonly<Record<string, number>>;
}

export interface HeadParts extends Waits {
  /** Where the token is. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Every call throws SipfError 'unreachable' where the head does not answer, 'bad-config' where it takes no token or is no Ray; 'aborted'. */
export class RayHead {
  readonly url: string;
  readonly #requests: ServerRequests;
  readonly #apiKeyFrom: string | null;

  /** @throws SipfError 'bad-config' where the token is not in the environment. */
  constructor({ url, apiKeyFrom, retries }: Pick<RaySettings, 'url' | 'apiKeyFrom' | 'retries'>, parts: HeadParts) {
    this.url = url.replace(/\/+$/, '');
    this.#apiKeyFrom = apiKeyFrom;
    const apiKey = apiKeyOf(SETTING, apiKeyFrom, parts.env);
    const options = { setting: SETTING, locate: async () => this.url, retries, timeout: TIMEOUT };
    this.#requests = new ServerRequests(options, { ...parts, apiKey, fetch: plainFetch });
  }

  /** The release of Ray. */
  version(signal: AbortSignal): Promise<string> {
    return this.#ask({ path: '/api/version' }, signal, ({ value }) => {
      return z.object({ ray_version: z.string() }).safeParse(value).data?.ray_version;
    });
  }

  /** Uploads a package, where the cluster has not that very one. Gives its address there. */
  async upload({ name, bytes }: Package, signal: AbortSignal): Promise<string> {
    const path = `/api/packages/gcs/${name}`;
    const isThere = await this.#ask({ path }, signal, ({ status }) => known(status));
    if (!isThere)
      await this.#ask({ path, method: 'PUT', body: bytes }, signal, ({ status }) => known(status) || undefined);
    return `gcs://${name}`;
  }

  /** A try whose answer was lost has submitted the job, too. */
  submit(id: string, submission: Submission, signal: AbortSignal): Promise<true> {
    const body = { submission_id: id, ...submission };
    const request = { path: '/api/jobs/', body, passes: isBusy };
    return this.#ask(request, signal, ({ status, text }) => {
      if (status === 200 || text.includes(`${id} already exists`)) return true;
      return status === 500 && text.includes('try again') ? null : undefined;
    });
  }

  /** null: the cluster has no such job. */
  async job(id: string, signal: AbortSignal): Promise<JobInfo | null> {
    const found = await this.#ask({ path: `/api/jobs/${id}` }, signal, ({ status, value, text }) => {
      if (status === 404 && text.includes('does not exist')) return 'none';
      return JobInfo.safeParse(value).data;
    });
    return found === 'none' ? null : found;
  }

  /** All that the job has written; null: the cluster cannot tell now. `isLast`: it is asked again where it cannot. */
  async logs(id: string, isLast: boolean, signal: AbortSignal): Promise<string | null> {
    const request = { path: `/api/jobs/${id}/logs`, passes: isLast ? mayPass : isBusy };
    const found = await this.#ask(request, signal, ({ status, value }) => {
      if (status >= 404) return 'none' as const;
      return z.object({ logs: z.string() }).safeParse(value).data;
    });
    return found === 'none' ? null : found.logs;
  }

  /** Asks for the end of a job. */
  async stop(id: string, signal: AbortSignal): Promise<void> {
    await this.#ask({ path: `/api/jobs/${id}/stop`, method: 'POST' }, signal, ({ status }) => known(status));
  }

  /** Forgets a job that has ended. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const request: ServerRequest = { path: `/api/jobs/${id}`, method: 'DELETE', passes: isBusy };
    await this.#ask(request, signal, () => true as const);
  }

  /** `read` gives null where another try may end better, and undefined where the answer is none. */
  #ask<T>(
    request: ServerRequest,
    signal: AbortSignal,
    read: (reply: Reply) => T | null | undefined,
  ): Promise<NonNullable<T>> {
    return this.#requests.send<NonNullable<T>>(
      request,
      (reply) => {
        this.#checkAllowed(reply);
        const answer = read(reply);
        if (answer === null) return { problem: `status ${reply.status}: ${reply.said}`, askedMs: reply.askedMs };
        if (answer === undefined) throw this.#refused(request, reply);
        return { answer };
      },
      signal,
    );
  }

  #checkAllowed({ status, said }: Reply): void {
    if (status !== 401 && status !== 403) return;
    const key =
      this.#apiKeyFrom === null
        ? 'none was sent. Put the token of the cluster (RAY_AUTH_TOKEN there) into an environment variable and name that one'
        : `that of the environment variable ${this.#apiKeyFrom} was refused. Put the token of the cluster (RAY_AUTH_TOKEN there) into it, or name another one`;
    throw new SipfError(
      'bad-config',
      `Expected Ray at ${this.url} to take a token, got status ${status} (${said}): ${key}: ${SETTING}.apiKeyFrom.`,
    );
  }

  #refused({ path, method }: ServerRequest, { status, text, said }: Reply): SipfError {
    const last = printable(
      text
        .trim()
        .split('\n')
        .findLast((line) => /\w/.test(line)) ?? said,
    );
    return new SipfError(
      'bad-config',
      `Expected Ray's Jobs API at ${this.url} to answer ${path}${method === undefined ? '' : ` (${method})`}, got status ${status}: ${last}. Give the address of the dashboard of a cluster that has Ray's Jobs API (pip install "ray[default]" on its head), and correct ${SETTING}.`,
    );
  }
}

/** Whether a thing is there, by a status; undefined: the answer is another. */
function known(status: number): boolean | undefined {
  return status === 200 ? true : status === 404 ? false : undefined;
}
