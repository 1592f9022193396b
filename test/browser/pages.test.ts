// Every page of real runs in Chromium -> its content, axe's violations, what leaves the server.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasPython } from '../python3.ts';
import { isFull } from '../tier.ts';
import { keepScreenshot, launch, settled, violationsOf, watchedPage, whyNoChromium } from './chromium.ts';
import { breakRun, makeCodeRun, makeSumsRun, type Served, serveRuns } from './served-runs.ts';

/** Address of each page, and a text that it has once it is there. */
const PAGES = {
  rounds: ['#/rounds', 'Cost and time by stage'],
  questions: ['#/questions', /^\d+ questions$/],
  pairs: ['#/pairs', 'that round 2 trains on'],
  pair: ['#/pair?index=0', 'Log-probabilities in training'],
  scores: ['#/scores', 'Labels by hand'],
  training: ['#/training', 'Process reward model'],
  compare: ['#/compare', 'first right'],
} as const;

const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark-phone', colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  ...(isFull
    ? ([
        { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
        { name: 'light-phone', colorScheme: 'light', viewport: { width: 360, height: 740 } },
      ] as const)
    : []),
] as const;

const NARROW: readonly string[] = ['rounds', 'questions', 'compare'];

/** What a page must be, whatever it shows. */
async function expectSound(
  { page, errors, requests }: Awaited<ReturnType<typeof watchedPage>>,
  url: string,
): Promise<void> {
  expect(await violationsOf(page)).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  expect(errors).toEqual([]);
  expect(requests.filter((own) => !own.startsWith(url) && !own.endsWith('/favicon.ico'))).toEqual([]);
}

async function openFirst(page: Page, url: string, list: string): Promise<void> {
  await page.goto(`${url}${list}`);
  await page.locator('.row a').first().click();
  await page.getByRole('heading', { name: /\d+ paths?, \d+ right/ }).waitFor();
}

describe.skipIf(whyNoChromium !== null)(`pages (${whyNoChromium ?? 'in Chromium'})`, () => {
  let browser: Browser;
  let folder: string;
  let first: string;
  let served: Served;
  beforeAll(async () => {
    browser = await launch();
    folder = await mkdtemp(join(tmpdir(), 'sipf-pages-'));
    first = await makeSumsRun(folder, 'first', 1);
    const second = await makeSumsRun(folder, 'second', 2);
    served = await serveRuns([first, second], join(folder, 'cache'));
  });
  afterAll(async () => {
    await browser.close();
    await served[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  describe.each(LOOKS)('$name', ({ name, ...look }) => {
    // Narrow pages differ little: some of them stand for all.
    const isSeen = ([own]: readonly [string, unknown]) => isFull || name === 'light' || NARROW.includes(own);
    it.each(Object.entries(PAGES).filter(isSeen))('%s', async (own, [hash, text]) => {
      const watched = await watchedPage(browser, look);
      await watched.page.goto(`${served.url}${hash}`);
      await watched.page.getByText(text).first().waitFor();
      await settled(watched.page);
      await keepScreenshot(watched.page, `${own}-${name}`);
      await expectSound(watched, served.url);
      await watched.page.context().close();
    });

    it('a question with an open step', async () => {
      const watched = await watchedPage(browser, look);
      const { page } = watched;
      await openFirst(page, served.url, '#/questions?sort=-paths');
      await page.keyboard.press('n');
      await page.keyboard.press('Enter');
      await page.locator('.detail-box .token').first().waitFor();
      await settled(page);
      await keepScreenshot(page, `question-${name}`);
      await expectSound(watched, served.url);
      await page.context().close();
    });
  });

  it.each([1280, 1000, 800, 700, 360])('lists have room for their question at %i pixels', async (width) => {
    const { page } = await watchedPage(browser, { viewport: { width, height: 740 } });
    for (const list of ['questions', 'pairs', 'compare']) {
      await page.goto(`${served.url}#/${list}`);
      await page.locator('.rows .c-question :is(a, button)').first().waitFor();
      const faults = await page.evaluate(`[...document.querySelectorAll('.rows .row')].flatMap((row) => {
        const box = row.getBoundingClientRect();
        const cells = [...row.children].map((cell) => [cell.className, cell.getBoundingClientRect()]);
        const isOut = ([, at]) => at.width > 0 && (at.top < box.top - 1 || at.bottom > box.bottom + 1 || at.right > box.right + 1);
        const narrow = cells.filter(([name, at]) => name === 'c-question' && at.width < 150);
        return [...cells.filter(isOut), ...narrow].map(([name, at]) => name + ' ' + JSON.stringify(at));
      })`);
      expect(faults, list).toEqual([]);
    }
    await page.context().close();
  });

  it('pairs are walked to the last one', async () => {
    const { page } = await watchedPage(browser);
    await page.goto(`${served.url}#/pairs?round=1`);
    await page.locator('.row a').first().waitFor();
    const [pairs, alone] = await page.locator('.lists .count').allInnerTexts();
    expect(await page.locator('.found').innerText()).toBe(`${pairs} pairs that round 1 trains on`);
    await page.goto(`${served.url}#/pairs?round=1&at=${Number(pairs) - 2}`);
    await page.locator('.row.current a').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.crumbs', { hasText: `${Number(pairs) - 1} of ${pairs}` }).waitFor();
    await page.keyboard.press('j');
    await page.locator('.crumbs', { hasText: `${pairs} of ${pairs}` }).waitFor();
    await page.keyboard.press('j');
    await page.getByRole('status').filter({ hasText: 'No further pair in this list.' }).waitFor();
    await page.goto(`${served.url}#/pairs?round=1&alone=true`);
    await page.getByText(`${alone} right path`).waitFor();
  });

  it('a step has tokens that join to its text, and as many rollouts as its tally says', async () => {
    const { page } = await watchedPage(browser);
    await openFirst(page, served.url, '#/questions?sort=-paths&round=1');
    const chip = page.locator('.chip', { has: page.locator('.tally', { hasText: /^\d\/\d…?$/ }) }).first();
    const tally = await chip.locator('.tally').innerText();
    await chip.click();
    await page.locator('.rollouts li').first().waitFor();
    expect(await page.locator('.rollouts > li').count()).toBe(Number(tally.split('/')[1]?.replace('…', '')));
    const text = await page.locator('.step.current .step-text').innerText();
    const tokens = await page.locator('.token-text').allInnerTexts();
    expect(tokens.join('').replaceAll('⏎', '\n').replaceAll('\u00A0', ' ')).toContain(text.split('\n')[0]);
    expect(await page.locator('.token small').first().innerText()).toMatch(/^−?\d\.\d\d$/);
  });

  it('a label by hand is a line of human-labels.jsonl, and stays', async () => {
    const { page } = await watchedPage(browser);
    await openFirst(page, served.url, '#/questions?sort=-paths&round=1');
    await page.keyboard.press('j');
    await page.keyboard.press('g');
    await page.locator('.step.current .hand.good').waitFor();
    const [line] = (await readFile(join(first, 'human-labels.jsonl'), 'utf8')).trim().split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({ step: 0, label: 'good' });
    await page.reload();
    await page.locator('.step.current .hand.good').waitFor();
  });

  it('lists and searches find what they say', async () => {
    const { page } = await watchedPage(browser);
    for (const list of ['false-step', 'high-wrong', 'low-right', 'disagree', 'unscorable']) {
      await page.goto(`${served.url}#/questions?list=${list}&round=1`);
      await expect.poll(() => page.locator('.found').innerText()).toMatch(/^\d+ questions? with a path that fits$/);
    }
    await page.goto(`${served.url}#/questions?round=1`);
    await page.keyboard.press('/');
    await page.keyboard.type('the ANSWER is');
    await expect.poll(() => page.locator('.found').innerText()).toBe('24 questions with a path that fits');
    await page.locator('.search input').fill('no such text');
    await expect.poll(() => page.locator('.found').innerText()).toBe('0 questions with a path that fits');
  });

  it('two runs are compared, gained and lost', async () => {
    const { page } = await watchedPage(browser);
    await page.goto(`${served.url}#/compare?first=0:2&second=0:0`);
    const row = page.locator('.wide tbody tr').first();
    await row.waitFor();
    const cells = await row.locator('td').allInnerTexts();
    await page.getByRole('button', { name: 'Only the first is right' }).click();
    await expect
      .poll(() => page.locator('.found').innerText())
      .toBe(`${cells[3]} question${cells[3] === '1' ? '' : 's'}`);
    await page.goto(`${served.url}#/compare?first=1:2&second=0:2`);
    await expect.poll(() => page.locator('.found').innerText()).toBe('12 questions');
  });

  it('curves have tables of their numbers, on paper too', async () => {
    const { page } = await watchedPage(browser);
    await page.goto(`${served.url}#/rounds`);
    const plot = page.locator('.plot', { hasText: 'Accuracy' }).first();
    await plot.getByRole('button', { name: 'numbers' }).click();
    const rounds = await plot.locator('tbody th').allInnerTexts();
    expect(rounds).toEqual(['start', '1', '2']);
    expect(await plot.locator('tbody td').first().innerText()).toMatch(/^\d+\.\d \(\d+\.\d to \d+\.\d\)$/);
    await page.emulateMedia({ media: 'print' });
    expect(
      await page
        .locator('.plot .numbers')
        .last()
        .evaluate((own) => own.getBoundingClientRect().height),
    ).toBeGreaterThan(30);
    expect(await page.locator('.top').isVisible()).toBe(false);
    await page.goto(`${served.url}#/compare`);
    await settled(page);
    const [height = 0, rows = 0] = await page
      .locator('.rows')
      .evaluate((list) => [list.getBoundingClientRect().height, list.children.length]);
    expect(rows).toBeGreaterThan(5);
    expect(height / rows).toBeGreaterThan(15);
    expect(height / rows).toBeLessThan(50);
  });

  it('a broken run says which line is wrong and shows the rest', async () => {
    await using broken = await serveRuns([await breakRun(first)], join(folder, 'cache'));
    const watched = await watchedPage(browser);
    await watched.page.goto(`${broken.url}#/questions?round=1`);
    await watched.page.getByRole('alert').filter({ hasText: '4-scores.jsonl' }).first().waitFor();
    await watched.page.locator('.row a').first().waitFor();
    await keepScreenshot(watched.page, 'broken');
    await expectSound(watched, broken.url);
  });

  it.skipIf(!hasPython)('programs are shown with their tests and what failed', async () => {
    await using code = await serveRuns([await makeCodeRun(folder)], join(folder, 'cache'));
    const watched = await watchedPage(browser);
    const { page } = watched;
    await openFirst(page, code.url, '#/questions?outcome=wrong&round=1');
    await page.locator('.step .code-keyword', { hasText: 'def' }).first().waitFor();
    await page.getByText(/^\d tests$/).click();
    await page.getByText('assert', { exact: false }).first().waitFor();
    expect(await page.locator('.outcome-words.wrong').first().innerText()).toContain('assertion');
    await keepScreenshot(page, 'code');
    await expectSound(watched, code.url);
  });
});
