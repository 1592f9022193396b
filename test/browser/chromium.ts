// The Chromium of this machine -> pages that note what they asked for and what went wrong.
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const PATH = process.env['SIPF_CHROMIUM'] ?? '/usr/bin/chromium';

/** Why these tests cannot run here; null: they can. */
export const whyNoChromium = canRun(PATH) ? null : `no Chromium at ${PATH} (SIPF_CHROMIUM names another place)`;

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: PATH, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** A page with what it did. */
export interface Watched {
  readonly page: Page;
  /** Addresses that it asked for. */
  readonly requests: readonly string[];
  /** Errors that were thrown, and complaints of the browser. */
  readonly errors: readonly string[];
}

export async function watchedPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    // Chromium asks for an icon by itself; servers have none.
    if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico')) errors.push(message.text());
  });
  return { page, requests, errors };
}

/** Until no part of the page waits for an answer. */
export async function settled(page: Page): Promise<void> {
  const waiting = `[...document.querySelectorAll('.note.waiting, .found, .rows .row')]
    .filter((part) => part.matches('.waiting') || ['Reading …', '…'].includes(part.textContent)).length`;
  await expect.poll(() => page.evaluate(waiting)).toBe(0);
}

/** Violations that axe finds, in words. */
export async function violationsOf(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found: unknown = await page.evaluate('axe.run(document, { resultTypes: ["violations"] })');
  const { violations } = found as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

const artefacts = join(dirname(fileURLToPath(import.meta.url)), 'artefacts');

/** Keeps what a page looks like, for people. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(artefacts, { recursive: true });
  await page.screenshot({ path: join(artefacts, `${name}.png`) });
}
