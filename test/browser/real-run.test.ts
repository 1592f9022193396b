// A run of a real model and `sipf view`, as people type them -> each page in Chromium.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepScreenshot, launch, settled, watchedPage, whyNoChromium } from './chromium.ts';

const CLI = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'cli', 'main.js');
/** The smallest run, with all that it can keep. SIPF_TEST_RUN names a run that is there already, such as one of the quickstart. */
const RUN = [
  'run',
  '--preset',
  'smoke',
  '--seed',
  '1',
  '--sampling.keepLogps',
  'true',
  '--labels.keepRollouts',
  'true',
];

const PAGES = {
  rounds: 'Cost and time by stage',
  questions: /^[\d,]+ questions$/,
  pairs: /that round \d trains on/,
  pair: 'Log-probabilities in training',
  scores: /Scores of round \d/,
  training: 'Warm-up',
  compare: 'first right',
} as const;

describe.skipIf(whyNoChromium !== null)(`a real run (${whyNoChromium ?? 'in Chromium'})`, () => {
  let folder: string;
  let view: ChildProcess;
  let url: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sipf-real-page-'));
    const dir = process.env['SIPF_TEST_RUN'] ?? join(folder, 'smoke');
    if (process.env['SIPF_TEST_RUN'] === undefined) {
      const done = spawnSync(process.execPath, [CLI, ...RUN, '--out', dir], { encoding: 'utf8' });
      expect(done.status, done.stderr).toBe(0);
    }
    view = spawn(process.execPath, [CLI, 'view', dir, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = await once(createInterface({ input: view.stdout! }), 'line');
    url = JSON.parse(String(line)).url;
  });
  afterAll(async () => {
    view.kill('SIGINT');
    await once(view, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  it('has every page, and each keeps to itself', async () => {
    const browser = await launch();
    const { page, requests, errors } = await watchedPage(browser);
    for (const [name, text] of Object.entries(PAGES)) {
      await page.goto(`${url}#/${name}`);
      await page.getByText(text).first().waitFor();
      await settled(page);
      await keepScreenshot(page, `real-${name}`);
    }
    await page.goto(`${url}#/questions`);
    await page.locator('.row a').first().click();
    await page.locator('.path', { hasText: 'mean log P' }).first().locator('.chip').first().click();
    await page.locator('.detail-box .token').first().waitFor();
    await keepScreenshot(page, 'real-question');
    expect(errors).toEqual([]);
    expect(requests.filter((own) => !own.startsWith(url) && !own.endsWith('/favicon.ico'))).toEqual([]);
    await browser.close();
  });
});
