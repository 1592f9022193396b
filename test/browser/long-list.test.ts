// A list of a million questions -> every row can be reached, and a scroll costs less than a frame.
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, watchedPage, whyNoChromium } from './chromium.ts';
import { fakeAnswers } from './fake-run.ts';
import { serveFake } from './fake-server.ts';

const MILLION = 1_000_000;

/** Texts of the rows that are in sight. */
function seenRows(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const box = document.querySelector('.scroller').getBoundingClientRect();
    return [...document.querySelectorAll('.rows .row')]
      .map((row) => [row.getBoundingClientRect(), row.querySelector('.c-question').textContent])
      .filter(([place]) => place.top >= box.top + 20 && place.bottom <= box.bottom)
      .sort(([a], [b]) => a.top - b.top)
      .map(([, text]) => text);
  })()`);
}

/** Milliseconds of CPU that the page's main thread has spent. */
async function spent(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
}

describe.skipIf(whyNoChromium !== null)(`a million rows (${whyNoChromium ?? 'in Chromium'})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it('are reached by wheel, scroll bar and keys, and asked for where the reader stops', async () => {
    await using server = await serveFake(fakeAnswers({ questions: MILLION }));
    const { page, errors } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('question 5', { exact: true }).waitFor();
    const scroller = page.locator('.scroller');

    await scroller.hover();
    await page.mouse.wheel(0, 3000);
    await page.getByText('question 110', { exact: true }).waitFor();

    await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.getByText('question 999999', { exact: true }).waitFor();
    expect((await seenRows(page)).at(-1)).toBe('question 999999');

    await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2));
    await expect.poll(async () => (await seenRows(page))[0]).toMatch(/^question (49|50)\d{4}$/);
    const seen = (await seenRows(page)).map((text) => Number(text.replace('question ', '')));
    expect(seen).toEqual(seen.map((_, i) => (seen[0] ?? 0) + i));

    await page.mouse.wheel(0, 90);
    const moved = async () => Number((await seenRows(page))[0]?.replace('question ', '')) - (seen[0] ?? 0);
    await expect.poll(moved).toBeGreaterThanOrEqual(2);
    expect(await moved()).toBeLessThanOrEqual(4);

    await scroller.evaluate((element) => element.scrollTo(0, 0));
    await page.getByText('question 5', { exact: true }).waitFor();
    expect(await page.locator('.rows .row').count()).toBeLessThan(80);
    expect(server.asked.filter((url) => url.includes('limit=100')).length).toBeLessThan(20);
    expect(errors).toEqual([]);
  });

  it('scroll for less of the main thread than a frame has, in the middle of hundreds', async () => {
    await using server = await serveFake(fakeAnswers({ questions: MILLION }));
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('question 5', { exact: true }).waitFor();
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const costs: number[] = [];
    for (let step = 0; step < 50; step += 1) {
      const before = await spent(session);
      await page.evaluate(`new Promise((done) => {
        document.querySelector('.scroller').scrollBy(0, 137);
        requestAnimationFrame(() => requestAnimationFrame(() => done(null)));
      })`);
      costs.push((await spent(session)) - before);
    }
    costs.sort((a, b) => a - b);
    // Two frames were waited for; each has 16.7 ms.
    expect(costs[25]).toBeLessThan(16.7);
  });

  it('are where they were when the reader comes back', async () => {
    await using server = await serveFake(fakeAnswers({ questions: MILLION }));
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('question 5', { exact: true }).waitFor();
    await page.locator('.scroller').evaluate((element) => element.scrollTo(0, 2_000_000));
    await expect.poll(async () => (await seenRows(page))[0]).toMatch(/^question 2\d{5}$/);
    await expect.poll(() => page.evaluate('history.state?.scroll ?? 0')).toBeGreaterThan(2_000_000);
    const before = await seenRows(page);
    await page.getByText(before[4] ?? '', { exact: true }).click();
    await page.getByText('2 paths, 1 right').waitFor();
    expect(page.url()).toContain('at=');
    await page.goBack();
    await page.getByText(before[4] ?? '', { exact: true }).waitFor();
    expect(await seenRows(page)).toEqual(before);
  });
});
