// A run directory -> docs/images/view-*.png: the page of `sipf view` as the documents show it. Needs Chromium.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'docs', 'images');
const [run] = process.argv.slice(2);
if (run === undefined) {
  console.error(
    'Expected a run directory. Make one: npm run quickstart -- --labels.keepRollouts true --sampling.keepLogps true',
  );
  process.exit(2);
}

/** Starts `sipf view` and reads its address. */
async function view() {
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'view', run, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) return { child, url: JSON.parse(line).url };
  throw new Error('sipf view ended without an address.');
}

const { child, url } = await view();
const browser = await chromium.launch({
  executablePath: process.env.SIPF_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  mkdirSync(folder, { recursive: true });
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, colorScheme: 'light' });
  await page.goto(`${url}#/rounds`);
  await page.locator('.plot canvas').first().waitFor();
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(folder, 'view-rounds.png') });

  await page.goto(`${url}#/questions?list=disagree&sort=-spread`);
  const few = page.locator('.row', { has: page.locator('.c-right', { hasText: /^[12]\/[45]$/ }) });
  await few.locator('.c-question a').first().click();
  await page.locator('.tree .cell').first().waitFor();
  await page
    .locator('.chip', { has: page.locator('.tally', { hasText: /^\d\/\d/ }) })
    .first()
    .click();
  await page.getByRole('heading', { name: 'Tokens' }).waitFor();
  await page.waitForTimeout(500);
  await page.evaluate('document.querySelector(".toast")?.remove(); scrollTo(0, 0)');
  await page.screenshot({ path: join(folder, 'view-question.png') });
  console.log(`${folder}: view-rounds.png, view-question.png`);
} finally {
  await browser.close();
  child.kill('SIGINT');
}
