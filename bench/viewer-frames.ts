// A served run -> intervals between frames in Chromium while its list scrolls, and on an empty page.
import { access } from 'node:fs/promises';
import { type Browser, chromium, type Page } from 'playwright-core';

const PATH = process.env['SIPF_CHROMIUM'] ?? '/usr/bin/chromium';
/** Pixels of a frame, as a quick wheel moves: more than a row. */
const PIXELS = 45;

/** Milliseconds between frames. */
export interface Frames {
  readonly frames: number;
  readonly median: number;
  readonly p95: number;
  /** More than a frame of 60 a second has. A timer's jitter makes about half of them so on any page: compare with the empty one. */
  readonly above16: number;
  /** At least one frame is missing. */
  readonly above25: number;
}

/** The empty page is the control: what this machine's Chromium gives at its best. null: there is no Chromium. */
export interface FramesMeasured {
  readonly rows: number;
  readonly list: Frames;
  readonly empty: Frames;
}

export async function measureFrames(url: string, seconds: number): Promise<FramesMeasured | null> {
  if (!(await hasChromium())) return null;
  const browser = await chromium.launch({ executablePath: PATH, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    const [empty, list] = [await openEmpty(browser), await openList(browser, url)];
    const rows = Number(await list.locator('[role=table]').getAttribute('aria-rowcount')) - 1;
    return { rows, empty: await scrolled(empty, seconds), list: await scrolled(list, seconds) };
  } finally {
    await browser.close();
  }
}

async function hasChromium(): Promise<boolean> {
  return access(PATH).then(
    () => true,
    () => false,
  );
}

const VIEWPORT = { viewport: { width: 1280, height: 800 } };

async function openEmpty(browser: Browser): Promise<Page> {
  const page = await browser.newPage(VIEWPORT);
  await page.setContent('<main class="scroller"></main>');
  return page;
}

async function openList(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage(VIEWPORT);
  await page.goto(`${url}#/questions`);
  await page.locator('.row .c-question a').first().waitFor();
  await page.waitForLoadState('networkidle');
  return page;
}

/** Scrolls in each frame, without a rest. */
async function scrolled(page: Page, seconds: number): Promise<Frames> {
  await page.bringToFront();
  const intervals: unknown = await page.evaluate(`new Promise((done) => {
    const scroller = document.querySelector('.scroller');
    const intervals = [];
    let last = performance.now();
    const end = last + ${1000 * seconds};
    const step = (now) => {
      intervals.push(now - last);
      last = now;
      scroller.scrollBy(0, ${PIXELS});
      if (now < end) requestAnimationFrame(step);
      else done(intervals.slice(1));
    };
    requestAnimationFrame(step);
  })`);
  return framesOf(intervals as readonly number[]);
}

function framesOf(intervals: readonly number[]): Frames {
  const sorted = [...intervals].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const above = (ms: number): number => intervals.filter((interval) => interval > ms).length;
  return { frames: intervals.length, median: at(0.5), p95: at(0.95), above16: above(16.7), above25: above(25) };
}
