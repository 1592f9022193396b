// The built package -> the HTML of the page, with its script and style inside.
import { fileURLToPath } from 'node:url';
import { SipfError } from '../../errors.ts';
import { readTextFile } from '../../io/file-bytes.ts';

/** @throws SipfError 'not-found' where the package was not built whole. */
export async function readPage(): Promise<string> {
  const path = fileURLToPath(new URL('../page.html', import.meta.url));
  const html = await readTextFile(path);
  if (html !== null) return html;
  throw new SipfError('not-found', `Expected the page at ${path}, got nothing there. Build or install sipf again.`);
}
