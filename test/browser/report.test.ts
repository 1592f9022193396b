// A report file in a real Chromium, without a server -> tables and paths, no request, and a print.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenRun } from '../../src/viewer/open-run.ts';
import { reportData } from '../../src/viewer/report/report-data.ts';
import { reportHtml } from '../../src/viewer/report/report-html.ts';
import { openViewerRun, viewerRun } from '../viewer-run.ts';
import { keepScreenshot, launch, violationsOf, watchedPage, whyNoChromium } from './chromium.ts';
import { pageText } from './fake-server.ts';

describe.skipIf(whyNoChromium !== null)(`a report${whyNoChromium === null ? '' : `: ${whyNoChromium}`}`, () => {
  let folder = '';
  let browser: Browser;
  let address = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sipf-report-page-'));
    const runs: OpenRun[] = [];
    for (const [name, seed] of [
      ['one', 1],
      ['other', 2],
    ] as const) {
      await viewerRun(join(folder, name), { seed });
      runs.push(await openViewerRun(join(folder, name), { cache: join(folder, 'cache') }));
    }
    const file = join(folder, 'report.html');
    await writeFile(file, reportHtml(pageText(), await reportData(runs)));
    for (const run of runs) await run[Symbol.asyncDispose]();
    address = pathToFileURL(file).href;
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('shows both runs, their comparison and some paths, and asks for nothing', async () => {
    const { page, requests, errors } = await watchedPage(browser, { offline: true });
    await page.goto(address);
    await page.getByRole('heading', { name: 'one', exact: true }).waitFor();
    await page.getByRole('heading', { name: 'other', exact: true }).waitFor();
    const text = await page.locator('body').innerText();
    for (const words of [
      'Cost and time by stage',
      'Scores of round 2',
      'Process reward model',
      'Some paths',
      'The answer is',
    ])
      expect(text).toContain(words);
    expect(await page.getByRole('table').count()).toBeGreaterThan(4);
    expect(await page.locator('.sample-path').count()).toBeGreaterThan(8);
    expect(await page.locator('button.chip, .hand-buttons, .top').count()).toBe(0);
    expect(requests).toEqual([address]);
    expect(errors).toEqual([]);
    await keepScreenshot(page, 'report');
  });

  it('has no violation that axe finds, and prints on some pages', async () => {
    const { page } = await watchedPage(browser, { offline: true });
    await page.goto(address);
    await page.locator('.sample-path').first().waitFor();
    expect(await violationsOf(page)).toEqual([]);
    const pdf = await page.pdf({ format: 'A4' });
    const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    expect(pages).toBeGreaterThan(1);
    expect(pages).toBeLessThan(60);
  });
});
