// sipf view and sipf report -> an address that answers until Ctrl-C, one file, and errors that help.
import { once } from 'node:events';
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunsReply } from '../../src/viewer/api.ts';
import { viewerRun } from '../viewer-run.ts';
import { askCli, buildCli, runCli, startCli } from './run-cli.ts';

let folder = '';
beforeAll(async () => {
  buildCli();
  folder = await mkdtemp(join(tmpdir(), 'sipf-view-'));
  for (const [name, seed] of [
    ['one', 1],
    ['other', 2],
  ] as const)
    await viewerRun(join(folder, name), { seed, iterations: 1 });
  await mkdir(join(folder, 'photos'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The first line of stdout. */
async function firstLine(child: ReturnType<typeof startCli>): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  const [line] = await once(lines, 'line');
  return String(line);
}

describe('sipf view', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('prints its address, answers, and ends well by %s', async (signal) => {
    const dirs = [join(folder, 'one'), join(folder, 'other')];
    const child = startCli(['view', ...dirs, '--json'], { env: { SIPF_CACHE: join(folder, 'cache') } });
    const { url } = JSON.parse(await firstLine(child)) as { url: string };
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
    const page = await fetch(url);
    expect(await page.text()).toContain('<title>sipf</title>');
    const { runs } = (await (await fetch(`${url}api/runs`)).json()) as RunsReply;
    expect(runs.map(({ name, finished, faults }) => [name, finished, faults])).toEqual([
      ['one', true, expect.anything()],
      ['other', true, expect.anything()],
    ]);
    child.kill(signal);
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('prints the address alone on stdout, and takes a port', async () => {
    const child = startCli(['view', join(folder, 'one'), '--port', '0']);
    expect(await firstLine(child)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
    child.kill('SIGINT');
    await once(child, 'close');
  });

  it.each([
    ['nothing', 'missing', /Expected a run at .*missing, got no run there: nothing has that name/],
    ['a folder without a run', 'photos', /got no run there: the folder has no config\.json/],
    ['a part of a run', 'one/iteration-1', /it is inside the run/],
  ])('refuses %s as `sipf show` does', async (_, name, message) => {
    const path = join(folder, name);
    const [view, show] = [await askCli(['view', path]), await askCli(['show', path])];
    expect([view.code, show.code]).toEqual([2, 2]);
    expect(view.stderr).toMatch(message);
    expect(view.stdout).toBe('');
  });

  it('needs a run', async () => {
    expect((await askCli(['view'])).code).toBe(2);
  });
});

describe('sipf report', () => {
  it('writes one file, over an earlier report alone, and prints its data', async () => {
    const out = join(folder, 'report.html');
    const args = ['report', join(folder, 'one'), join(folder, 'other'), '--out', out];
    const written = await runCli([...args, '--json'], { env: { SIPF_CACHE: join(folder, 'cache') } });
    expect(written.code).toBe(0);
    const html = await readFile(out, 'utf8');
    const [, json = ''] = /id="sipf-report">(.*?)<\/script>/s.exec(html) ?? [];
    expect(JSON.parse(json)).toEqual(JSON.parse(written.stdout));
    expect((await askCli(args)).code).toBe(0);
    expect(html).not.toContain(folder);
  });

  it('touches nothing else', async () => {
    const notes = join(folder, 'notes.html');
    await writeFile(notes, '<p>my notes</p>');
    const own = join(folder, 'one', 'iteration-1', 'report.html');
    for (const [out, message] of [
      [notes, /which holds something else/],
      [join(folder, 'photos'), /which is a folder/],
      [own, /inside the run/],
    ] as const) {
      const refused = await askCli(['report', join(folder, 'one'), '--out', out]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(message);
    }
    expect(await readFile(notes, 'utf8')).toBe('<p>my notes</p>');
    expect((await askCli(['report', join(folder, 'one')])).stderr).toMatch(/Expected --out FILE or --json/);
  });
});

it('sipf show shows a question of a run with faulty lines, and names these', async () => {
  const broken = join(folder, 'broken');
  await cp(join(folder, 'one'), broken, { recursive: true });
  const samples = join(broken, 'iteration-1', '1-samples.jsonl');
  const [first = ''] = (await readFile(samples, 'utf8')).split('\n');
  const { questionId } = JSON.parse(first) as { questionId: string };
  await appendFile(samples, '{"id": 1}\n');
  for (const args of [
    ['--question', questionId],
    ['--iteration', '1'],
    ['--pairs', '--limit', '1'],
  ]) {
    const [whole, shown] = await Promise.all([
      askCli(['show', join(folder, 'one'), ...args]),
      askCli(['show', broken, ...args]),
    ]);
    expect([shown.code, shown.stdout.replaceAll(broken, join(folder, 'one'))]).toEqual([0, whole.stdout]);
    expect(shown.stderr).toMatch(/Warning: .*1-samples\.jsonl, line \d+: Expected a text in "questionId"/);
  }
});
