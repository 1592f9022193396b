// Jobs run in the order of what they wait for; neither a failure nor a stop loses the others.
import { describe, expect, it } from 'vitest';
import { SipfError } from '../errors.ts';
import { type Job, runJobs } from './jobs.ts';

interface Made {
  readonly job: Job;
  readonly end: (error?: Error) => void;
}

function made(name: string, after: readonly string[], begun: string[]): Made {
  let settle: (error?: Error) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const run = () => {
    begun.push(name);
    return done;
  };
  return { job: { name, after, run }, end: settle };
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

describe('runJobs', () => {
  it('starts a job when those before it have ended, at most `parallel` at once, failed or not', async () => {
    const begun: string[] = [];
    const failures: string[] = [];
    const [a, b, c, d] = [made('a', [], begun), made('b', ['a'], begun), made('c', [], begun), made('d', [], begun)];
    const all = runJobs([a.job, b.job, c.job, d.job], {
      parallel: 2,
      signal: new AbortController().signal,
      onFailure: (name, message) => failures.push(`${name}: ${message}`),
    });
    await tick();
    expect(begun).toEqual(['a', 'c']);
    a.end(new Error('broken'));
    await tick();
    expect(begun).toEqual(['a', 'c', 'b']);
    b.end();
    c.end();
    await tick();
    expect(begun).toEqual(['a', 'c', 'b', 'd']);
    d.end();
    await all;
    expect(failures).toEqual(['a: broken']);
  });

  it('starts nothing more once stopped, waits for what runs, and says so', async () => {
    const begun: string[] = [];
    const [a, b] = [made('a', [], begun), made('b', [], begun)];
    const controller = new AbortController();
    const failures: string[] = [];
    const all = runJobs([a.job, b.job], {
      parallel: 1,
      signal: controller.signal,
      onFailure: (name) => failures.push(name),
    });
    const outcome = expect(all).rejects.toMatchObject({ code: 'aborted' });
    await tick();
    controller.abort();
    a.end(new SipfError('aborted', 'stopped'));
    await outcome;
    expect(begun).toEqual(['a']);
    expect(failures).toEqual([]);
  });

  it('survives jobs that throw at once', async () => {
    const failures: string[] = [];
    const run = () => {
      throw new Error('at once');
    };
    await runJobs([{ name: 'a', after: [], run }], {
      parallel: 1,
      signal: new AbortController().signal,
      onFailure: (name) => failures.push(name),
    });
    expect(failures).toEqual(['a']);
  });
});
