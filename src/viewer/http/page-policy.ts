// An HTML page -> the headers that keep it to itself: its own script and style, no other place.
import { createHash } from 'node:crypto';

/** Scripts and styles of the page by their hashes; it asks nobody. */
export function filePolicy(html: string): string {
  const own = (tag: 'script' | 'style') => blocksOf(html, tag).map((text) => `'sha256-${hashOf(text)}'`);
  return [
    "default-src 'none'",
    `script-src ${own('script').join(' ') || "'none'"}`,
    `style-src ${own('style').join(' ') || "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** Of a page that a server sends: it asks that server, and no other page has it inside. */
export function contentPolicy(html: string): string {
  return [filePolicy(html), "connect-src 'self'", "frame-ancestors 'none'"].join('; ');
}

/** Headers of every answer. */
export function pageHeaders(html: string): Record<string, string> {
  return {
    'content-security-policy': contentPolicy(html),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'x-frame-options': 'DENY',
    'cache-control': 'no-store',
  };
}

/** The texts between `<tag ...>` and `</tag>`, as a browser hashes them. */
function blocksOf(html: string, tag: string): string[] {
  return [...html.matchAll(new RegExp(`<${tag}\\b[^>]*>([\\s\\S]*?)</${tag}>`, 'gi'))].map(([, text = '']) => text);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text.replaceAll(/\r\n?/g, '\n')).digest('base64');
}
