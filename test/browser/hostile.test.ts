// Hostile texts of a model -> nothing runs, nothing hides, nothing leaves the server.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, violationsOf, watchedPage, whyNoChromium } from './chromium.ts';
import { fakeAnswers } from './fake-run.ts';
import { serveFake } from './fake-server.ts';

const MARKUP =
  '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload=window.pwned=1>&lt;b&gt;';
const HOSTILE = [
  MARKUP,
  '\u001B[31mred\u001B[0m \u001B]8;;http://evil.example\u0007link\u001B]8;;\u0007',
  'access \u202Edenied\u202C \u2066x\u2069 user\u200B\u200Bname',
  'lone \uD800 and \uDFFF, NUL \u0000, CR \r, BOM \uFEFF',
  `javascript:window.pwned=1 http://evil.example/?q=${'x'.repeat(3000)}`,
  `Z${'\u0301'.repeat(500)}algo`,
  `The answer is ${'9'.repeat(500)}`,
];

describe.skipIf(whyNoChromium !== null)(`hostile texts (${whyNoChromium ?? 'in Chromium'})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it('are text alone, with marks for what is not seen', async () => {
    const run = {
      question: { question: HOSTILE.join('\n'), answer: MARKUP },
      paths: [HOSTILE, [...HOSTILE].reverse()],
    };
    await using server = await serveFake(fakeAnswers(run));
    const { page, requests, errors } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('1 question').waitFor();
    await page.goto(`${server.url}#/question?id=q&round=1&run=0`);
    await page.getByText('2 paths, 1 right').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByText('were not kept').first().waitFor();

    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('main img, main script, main svg[onload], main a[href^="javascript"]').count()).toBe(0);
    for (const mark of ['RLO', 'ESC', 'BEL', 'ZWSP ×2', 'U+D800', 'U+DFFF', 'NUL', 'CR', 'BOM', 'LRI']) {
      expect(await page.locator('.step .unseen', { hasText: mark }).count(), mark).toBeGreaterThan(0);
    }
    expect(await page.locator('.model-text', { hasText: MARKUP }).count()).toBeGreaterThan(0);
    const texts = await page.locator('main').innerText();
    expect(texts).not.toMatch(/[\u202A-\u202E\u2066-\u2069\u200B]/);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(requests.filter((url) => !url.startsWith(server.url) && !url.endsWith('/favicon.ico'))).toEqual([]);
    expect(errors).toEqual([]);
    expect(await violationsOf(page)).toEqual([]);
  });

  it('of a million characters are cut, and come in parts that the reader asks for', async () => {
    const long = `${'a b\u202E'.repeat(5000)}PART ${'a b\u202E'.repeat(245_000)}END`;
    await using server = await serveFake(fakeAnswers({ paths: [[long]] }));
    const { page, errors } = await watchedPage(browser);
    await page.goto(`${server.url}#/question?id=q&round=1&run=0`);
    const more = page.getByRole('button', { name: 'show more of 1.0 million characters' }).first();
    await more.waitFor();
    expect((await page.locator('.step-text').first().innerText()).length).toBeLessThan(20_000);
    await more.click();
    await page.locator('.step-text', { hasText: 'PART' }).first().waitFor();
    await more.waitFor();
    expect(errors).toEqual([]);
  });

  it('of programs are coloured by spans alone', async () => {
    const program = ['def f(x):\n', `    return "${MARKUP}\u202E"  # </span><script>window.pwned=1</script>\n`];
    const tests = { setup: '', cases: ['assert f(1) == 2'], entryPoint: 'f' };
    await using server = await serveFake(fakeAnswers({ question: { tests, answer: '' }, paths: [program] }));
    const { page, errors } = await watchedPage(browser);
    await page.goto(`${server.url}#/question?id=q&round=1&run=0`);
    await page.locator('.code .code-keyword', { hasText: 'def' }).first().waitFor();
    expect(await page.locator('.step-text').nth(1).innerText()).toContain(MARKUP);
    expect(await page.locator('.step-text .unseen', { hasText: 'RLO' }).count()).toBe(1);
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(errors).toEqual([]);
  });

  it('in ids, faults and errors of the server are text, too', async () => {
    const answers = fakeAnswers({ head: { name: MARKUP, faults: [MARKUP] } });
    await using server = await serveFake((path, query, body) =>
      path === 'question' ? new Error(MARKUP) : answers(path, query, body),
    );
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}#/question?id=${encodeURIComponent(MARKUP)}&round=1&run=0&at=0`);
    await page.getByRole('alert').filter({ hasText: MARKUP }).first().waitFor();
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.title()).toContain('<img');
  });
});
