// Keys, history and live runs -> where the reader is, what was posted, what stays in place.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, watchedPage, whyNoChromium } from './chromium.ts';
import { fakeAnswers, fakeHead } from './fake-run.ts';
import { serveFake } from './fake-server.ts';

/** Where the focused element is in the window. */
const TOP = 'Math.round(document.activeElement.getBoundingClientRect().top)';

const QUESTION = '#/question?id=q&round=1&run=0';

/** Number of the step that has the focus, and its path; null: something else has it. */
function focused(page: Page): Promise<string | null> {
  return page.evaluate(`(() => {
    const chip = document.activeElement?.closest('.chip');
    if (chip === null || chip === undefined) return null;
    const path = chip.closest('.path').getAttribute('aria-label');
    return path + ' ' + chip.querySelector('.chip-number').firstChild.textContent;
  })()`);
}

async function pressed(page: Page, key: string, expected: string | null): Promise<void> {
  await page.keyboard.press(key);
  await expect.poll(() => focused(page), { message: key }).toBe(expected);
}

describe.skipIf(whyNoChromium !== null)(`by keyboard (${whyNoChromium ?? 'in Chromium'})`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it('a list is walked, a question opened, and back returns to the row', async () => {
    await using server = await serveFake(fakeAnswers({ questions: 50 }));
    const { page, errors } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('question 5', { exact: true }).waitFor();
    for (const key of ['j', 'j', 'ArrowDown', 'k']) await page.keyboard.press(key);
    await expect.poll(() => page.locator('.row.current .c-question').innerText()).toBe('question 2');
    await page.keyboard.press('Enter');
    await page.getByText('2 paths, 1 right').waitFor();
    expect(await page.locator('.crumbs').innerText()).toContain('3 of 50');
    await page.keyboard.press(']');
    await expect.poll(() => page.locator('.crumbs').innerText()).toContain('4 of 50');
    await page.goBack();
    await expect.poll(() => page.locator('.row.current .c-question').innerText()).toBe('question 2');
    await page.goForward();
    await page.getByText('2 paths, 1 right').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.row.current').waitFor();
    expect(errors).toEqual([]);
  });

  it('steps, paths and errors are walked', async () => {
    await using server = await serveFake(fakeAnswers());
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}${QUESTION}`);
    await page.getByText('2 paths, 1 right').waitFor();
    await pressed(page, 'j', 'Path 1/0 1');
    await pressed(page, 'j', 'Path 1/0 2');
    await pressed(page, 'j', 'Path 1/1 1');
    await pressed(page, 'k', 'Path 1/0 2');
    await pressed(page, 'J', 'Path 1/1 1');
    await pressed(page, 'K', 'Path 1/0 1');
    // Second steps have scores below 0.5 and right labels.
    await pressed(page, 'n', 'Path 1/0 2');
    await pressed(page, 'n', 'Path 1/1 2');
    await pressed(page, 'p', 'Path 1/0 2');
    expect(page.url()).toContain('step=1');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Rollouts from this step' }).waitFor();
    expect(await page.locator('.detail-box').innerText()).toContain('labels.keepRollouts true');
    expect(await page.locator('.detail-box').innerText()).toContain('sampling.keepLogps true');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.detail-box').count()).toBe(0);
    await page.reload();
    await expect.poll(() => focused(page)).toBe('Path 1/0 2');
  });

  it('labels by hand are posted with their guard, shown and told', async () => {
    const posted: unknown[] = [];
    const answers = fakeAnswers();
    await using server = await serveFake((path, query, body) => {
      if (path !== 'labels') return answers(path, query, body);
      posted.push(body);
      return { label: { ...(body as object), time: '2026-01-01T00:00:00.000Z' } };
    });
    const { page } = await watchedPage(browser);
    const headers: (string | undefined)[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST') headers.push(request.headers()['x-sipf-annotate']);
    });
    await page.goto(`${server.url}${QUESTION}`);
    await page.getByText('2 paths, 1 right').waitFor();
    await pressed(page, 'j', 'Path 1/0 1');
    for (const [key, mark] of [
      ['g', '+'],
      ['b', '−'],
      ['u', '?'],
    ] as const) {
      await page.keyboard.press(key);
      await page.locator('.step.current .hand', { hasText: mark }).waitFor();
    }
    await page.getByRole('status').filter({ hasText: 'Labelled unsure' }).waitFor();
    await page.keyboard.press('x');
    await expect.poll(() => page.locator('.hand').count()).toBe(0);
    expect(posted).toEqual(['good', 'bad', 'unsure', null].map((label) => ({ sampleId: 'q/1/0', step: 0, label })));
    expect(headers).toEqual(['1', '1', '1', '1']);
  });

  it('/ goes to the search, whose keys are text; ? opens the help, Esc closes it', async () => {
    await using server = await serveFake(fakeAnswers({ questions: 5 }));
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}#/rounds`);
    await page.getByText('No round has a report yet.').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys and words' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0);
    await page.keyboard.press('/');
    await expect.poll(() => page.evaluate('document.activeElement?.name')).toBe('text');
    await page.keyboard.type('jk?n');
    await expect.poll(() => page.url()).toContain('text=jk%3Fn');
    await expect.poll(() => server.asked.some((url) => url.includes('text=jk%3Fn'))).toBe(true);
  });

  it('n goes on to the next question that has an error', async () => {
    const answers = fakeAnswers({ questions: 3, paths: [['1+1=2']] });
    const disputed = fakeAnswers({ questions: 3 });
    await using server = await serveFake((path, query, body) =>
      (query['id'] === 'q2' ? disputed : answers)(path, query, body),
    );
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}${QUESTION}&at=0`);
    await page.getByText('1 path, 1 right').waitFor();
    await page.keyboard.press('n');
    await page.getByText('2 paths, 1 right').waitFor();
    await expect.poll(() => focused(page)).toBe('Path 1/0 2');
    expect(await page.locator('.crumbs').innerText()).toContain('3 of 3');
    await page.keyboard.press('n');
    await pressed(page, 'n', 'Path 1/1 2');
    await page.getByText('No further question in this list.').first().waitFor();
  });

  it('] walks on where the list is asked for in pieces', async () => {
    await using server = await serveFake(fakeAnswers({ questions: 250 }));
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}${QUESTION}&at=80`);
    for (let place = 81; place < 105; place += 1) {
      await page
        .locator('.crumbs', { hasText: `${place} of 250` })
        .getByText('next')
        .waitFor();
      await page.getByText('2 paths, 1 right').waitFor();
      await page.keyboard.press(']');
    }
    await page.locator('.crumbs', { hasText: '105 of 250' }).waitFor();
  });

  it('wrong numbers in an address are as none', async () => {
    await using server = await serveFake(fakeAnswers({ questions: 5 }));
    const { page, errors } = await watchedPage(browser);
    for (const wrong of ['at=x', 'at=99', 'at=-1', 'round=x', 'path=q/1/0&step=x', 'path=q/1/0&step=99&open=1']) {
      await page.goto('about:blank');
      await page.goto(`${server.url}#/question?id=q&run=0&${wrong}`);
      await page.getByText('2 paths, 1 right').waitFor();
      expect(await page.locator('body').innerText(), wrong).not.toMatch(/NaN|undefined|100 of/);
      expect(await page.locator('.step.current').count(), wrong).toBe(wrong.startsWith('path') ? 1 : 0);
    }
    await page.goto(`${server.url}#/questions?run=7`);
    await page.getByRole('link', { name: 'Show the first one.' }).click();
    await page.getByText('5 questions').waitFor();
    expect(errors).toEqual([]);
  });

  it('a server that was lost is asked again once it answers', async () => {
    await using server = await serveFake(fakeAnswers({ questions: 5 }));
    const { page } = await watchedPage(browser);
    await page.goto(`${server.url}#/questions`);
    await page.getByText('5 questions').waitFor();
    await page.route('**/api/**', (route) => route.abort());
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'Is it still running?' }).waitFor();
    await page.unroute('**/api/**');
    await page.getByText('2 paths, 1 right').waitFor();
    await expect.poll(() => page.getByRole('alert').count()).toBe(0);
  });

  it('a live run is asked for again, keeps place and focus, and rests when it is finished', async () => {
    let version = 1;
    let isFinished = false;
    const steps = ['1+1=2', '2+1=3'];
    await using server = await serveFake((path, query, body) => {
      const now = { stage: '2-step-labels', iteration: 1, done: version, total: 9 };
      const head = { ...fakeHead, version, finished: isFinished, now: isFinished ? null : now };
      const paths = Array.from({ length: 10 + version }, () => steps);
      return fakeAnswers({ head, paths })(path, query, body);
    });
    const { page, errors } = await watchedPage(browser);
    await page.clock.install();
    await page.goto(`${server.url}${QUESTION}`);
    await page.getByRole('heading', { name: '11 paths' }).waitFor();
    await page.getByText('round 1 2-step-labels 1/9').waitFor();
    for (let i = 0; i < 9; i += 1) await page.keyboard.press('J');
    await expect.poll(() => focused(page)).toBe('Path 1/8 1');
    const place = await page.evaluate(TOP);
    version = 2;
    await page.clock.fastForward(2000);
    await page.getByRole('heading', { name: '12 paths' }).waitFor();
    expect(await focused(page)).toBe('Path 1/8 1');
    expect(await page.evaluate(TOP)).toBe(place);
    isFinished = true;
    await page.clock.fastForward(2000);
    await expect.poll(() => page.locator('.now').count()).toBe(0);
    const asked = server.asked.length;
    await page.clock.fastForward(60_000);
    expect(await focused(page)).toBe('Path 1/8 1');
    expect(server.asked.length).toBe(asked);
    expect(errors).toEqual([]);
  });
});
