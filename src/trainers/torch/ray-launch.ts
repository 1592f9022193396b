// A Ray cluster -> the program, started there as a job, heard by its logs, found again after a kill.
import { randomUUID } from 'node:crypto';
import { messageOf, SipfError, shellWord, throwIfAborted } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import type { RaySettings } from '../ray-settings.ts';
import type { TorchSettings } from '../torch.ts';
import { endOrphan, forget, keepRay, type RayAtWork, rayAtWork, recordOf } from './at-work.ts';
import {
  type Ended,
  type Launch,
  type LaunchArgs,
  type LaunchedJob,
  OFFLINE,
  PROGRAM,
  Said,
  STOPPING_MS,
} from './launch.ts';
import { programPackage } from './program-package.ts';
import { type HeadParts, type JobInfo, RayHead, type Submission } from './ray-head.ts';

export interface RayParts extends HeadParts {
  /** Told what becomes of jobs. */
  readonly log: (message: string) => void;
}

interface Cluster {
  readonly settings: TorchSettings;
  readonly ray: RaySettings;
  readonly head: RayHead;
  readonly parts: RayParts;
}

/** Shortest and longest time between two looks at a job, in milliseconds. */
const LOOK_MS = 1_000;
const LONGEST_LOOK_MS = 30_000;
/** A look may take this share of the time: the whole log comes each time. */
const LOOK_SHARE = 0.1;
/** After which a job that does not start is told of, in milliseconds. */
const WAITING_MS = 30_000;
/** How often a stop of a job is asked for where the head does not answer, beyond the first time. */
const STOP_RETRIES = 3;

/** A job of the cluster, which goes on where this process is killed: the next start hears it from its beginning. */
export function rayLaunch(settings: TorchSettings, ray: RaySettings, parts: RayParts): Launch {
  const cluster = { settings, ray, parts, head: new RayHead(ray, parts) };
  return async ({ args, job, onLine, signal }) => {
    const { head } = cluster;
    await head.version(signal);
    const submission = submissionOf(cluster, args, await head.upload(await programPackage(), signal));
    const of = sha256(canonicalJson({ submission, hash: job?.hash ?? null }));
    const left = job === null ? null : await leftOf(cluster, job.folder, of, signal);
    await job?.begin(left !== null);
    const id = left ?? `sipf-${job === null ? 'check' : of.slice(0, 12)}-${randomUUID().slice(0, 8)}`;
    const submit = left === null ? () => start(cluster, { id, submission, of, job }, signal) : null;
    return runJob(cluster, { id, submit }, { job, onLine, signal });
  };
}

function submissionOf({ settings, ray }: Cluster, args: readonly string[], program: string): Submission {
  const { env_vars: own, ...runtimeEnv } = ray.runtimeEnv;
  // The cluster waits for a checkpoint before it kills.
  const variables = { ...OFFLINE, RAY_JOB_STOP_WAIT_TIME_S: String(STOPPING_MS / 1000) };
  return {
    entrypoint: ['exec', ...[...settings.command, PROGRAM, ...args].map(shellWord)].join(' '),
    runtime_env: { ...runtimeEnv, working_dir: program, env_vars: { ...variables, ...Object(own) } },
    entrypoint_num_cpus: ray.cpus,
    entrypoint_num_gpus: ray.gpus,
    entrypoint_resources: ray.resources,
  };
}

/** What a driver that is gone has left at work is ended, but this very job, whose id it gives. */
async function leftOf(cluster: Cluster, folder: string, of: string, signal: AbortSignal): Promise<string | null> {
  const { log } = cluster.parts;
  const orphan = await endOrphan(folder);
  if (orphan !== null) log(`Training: process ${orphan} of a driver that is gone was still at work; it was ended.`);
  const left = await rayAtWork(folder);
  if (left === null) return null;
  const there = left.url === cluster.head.url ? cluster : { ...cluster, head: headAt(cluster, left.url) };
  const info = await infoOf(there.head, left, folder, signal);
  const isSame = there === cluster && left.of === of;
  if (info === null || info.status === 'FAILED' || info.status === 'STOPPED') return null;
  if (isSame) {
    const does = info.status === 'SUCCEEDED' ? 'has finished' : 'is at work';
    log(`Training: the Ray job ${left.ray} of a driver that is gone ${does}; it is heard again.`);
    return left.ray;
  }
  if (info.status === 'SUCCEEDED') return null;
  await end(there, left.ray);
  log(`Training: the Ray job ${left.ray} of a driver that is gone was told other settings; it was ended.`);
  return null;
}

function headAt({ ray, parts }: Cluster, url: string): RayHead {
  return new RayHead({ ...ray, url }, parts);
}

async function infoOf(head: RayHead, { ray }: RayAtWork, folder: string, signal: AbortSignal): Promise<JobInfo | null> {
  try {
    return await head.job(ray, signal);
  } catch (error) {
    if (!(error instanceof SipfError) || error.code !== 'unreachable') throw error;
    throw new SipfError(
      'unreachable',
      `Expected to hear of the job ${ray}, which a driver that is gone left at the Ray cluster ${head.url}, got: ${error.message} Where that cluster is gone for good, delete ${recordOf(folder)}.`,
    );
  }
}

interface Start {
  readonly id: string;
  readonly submission: Submission;
  readonly of: string;
  readonly job: LaunchedJob | null;
}

/** The job is recorded before it is there: a kill between the two leaves none that nobody knows. */
async function start({ head, parts }: Cluster, { id, submission, of, job }: Start, signal: AbortSignal): Promise<void> {
  if (job === null) return void (await head.submit(id, submission, signal));
  await keepRay(job.folder, { url: head.url, ray: id, of });
  try {
    await head.submit(id, submission, signal);
  } catch (error) {
    if (error instanceof SipfError && error.code === 'bad-config') await forget(job.folder);
    throw error;
  }
  parts.log(`Training: Ray job ${id} at ${head.url}.`);
}

interface Submitted {
  readonly id: string;
  /** null: the cluster has the job. */
  readonly submit: (() => Promise<void>) | null;
}

/** Hears a job until it ends. An error of this process, a stop on request among them, ends it. */
async function runJob(
  cluster: Cluster,
  { id, submit }: Submitted,
  { job, ...heard }: Omit<LaunchArgs, 'args'>,
): Promise<Ended> {
  const { ray, parts } = cluster;
  // Trainings stay in the list of the cluster, with their logs.
  const settle = ({ head }: Cluster, signal: AbortSignal) =>
    job === null ? head.delete(id, signal) : forget(job.folder);
  try {
    await submit?.();
    const ended = await hear(cluster, id, heard);
    if (ended.isWell) await job?.fetch();
    await settle(cluster, heard.signal);
    return ended;
  } catch (error) {
    // Nobody can end it now; the next start finds it.
    if (error instanceof SipfError && ['unreachable', 'bad-config'].includes(error.code)) throw error;
    const ending = { ...cluster, head: new RayHead({ ...ray, retries: STOP_RETRIES }, parts) };
    try {
      await end(ending, id);
      await settle(ending, new AbortController().signal);
    } catch (failed) {
      parts.log(`Training: the Ray job ${id} was not ended (${messageOf(failed)}); the next start does that.`);
    }
    throw error;
  }
}

async function hear(
  { head, parts }: Cluster,
  id: string,
  { onLine, signal }: Pick<LaunchArgs, 'onLine' | 'signal'>,
): Promise<Ended> {
  const said = new Said();
  const lines = new LogLines((line) => {
    throwIfAborted(signal);
    if (!onLine(line)) said.keep(line);
  });
  const began = parts.now();
  let isTold = false;
  for (;;) {
    const looked = parts.now();
    const info = await head.job(id, signal);
    if (info === null) throw forgotten(id, head);
    const isLast = info.status !== 'PENDING' && info.status !== 'RUNNING';
    if (info.status !== 'PENDING') lines.read(await logsOf(head, id, isLast, signal), isLast);
    else if (!isTold && looked - began >= WAITING_MS) {
      isTold = true;
      parts.log(`Training: Ray job ${id} waits at ${head.url}: ${info.message ?? 'it does not say for what'}`);
    }
    if (isLast) return endedBy(id, info, said);
    const took = parts.now() - looked;
    await parts.wait(Math.min(LONGEST_LOOK_MS, Math.max(LOOK_MS, took / LOOK_SHARE)), signal).catch(() => undefined);
  }
}

/** Where the log of a job that has ended is lost, so are its last events: the next start continues from its checkpoint. */
async function logsOf(head: RayHead, id: string, isLast: boolean, signal: AbortSignal): Promise<string> {
  try {
    return (await head.logs(id, isLast, signal)) ?? '';
  } catch (error) {
    if (isLast && error instanceof SipfError && error.code === 'unreachable') return '';
    throw error;
  }
}

/** Of a log that comes whole each time: each line once. */
class LogLines {
  readonly #onLine: (line: string) => void;
  #read = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  read(log: string, isLast: boolean): void {
    const end = isLast ? log.length : log.lastIndexOf('\n') + 1;
    if (end <= this.#read) return;
    const lines = log
      .slice(this.#read, end)
      .replace(/\r?\n$/, '')
      .split(/\r?\n/);
    this.#read = end;
    for (const line of lines) this.#onLine(line);
  }
}

function forgotten(id: string, { url }: RayHead): SipfError {
  return new SipfError(
    'crashed',
    `Expected the job ${id} at the Ray cluster ${url}, got none: the cluster was started anew and has forgotten it. The same command continues from the last checkpoint.`,
  );
}

/** Ray says of a killed program -9, a shell 137. */
const KILLED = [-9, 137];

function endedBy(id: string, { status, message, driver_exit_code: code }: JobInfo, said: Said): Ended {
  if (status === 'SUCCEEDED') return { how: `the end of Ray job ${id}`, isWell: true, said: said.lines };
  if (status === 'STOPPED') return { how: `a stop of Ray job ${id} by somebody`, isWell: false, said: said.lines };
  // Without a program's end the cluster says why there was none.
  if (typeof code !== 'number') for (const line of (message ?? '').split('\n')) said.keep(line);
  const how = typeof code !== 'number' ? 'no start' : KILLED.includes(code) ? 'signal SIGKILL' : `exit code ${code}`;
  return { how: `${how} of Ray job ${id}`, isWell: false, said: said.lines };
}

/** Asks a job to stop, and waits for its end. One that waits for resources stops before it does anything. */
async function end({ head, parts }: Cluster, id: string): Promise<void> {
  const { signal } = new AbortController();
  await head.stop(id, signal);
  const began = parts.now();
  for (;;) {
    const info = await head.job(id, signal);
    if (info === null || info.status !== 'RUNNING') return;
    if (parts.now() - began > 2 * STOPPING_MS) throw new SipfError('crashed', `it runs on after ${STOPPING_MS} ms`);
    await parts.wait(LOOK_MS, signal);
  }
}
