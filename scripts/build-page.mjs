// viewer/ -> one HTML text, script and style inside it, that asks for nothing but its server's answers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Colours that follow the scheme need these. */
const BROWSERS = ['chrome123', 'firefox120', 'safari17.5'];

/** The page of the sources in `root`/viewer. */
export async function buildPage(root) {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'viewer', 'main.tsx')],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'out',
    format: 'esm',
    target: BROWSERS,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'error',
  });
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending))?.text.trim() ?? '';
  const template = readFileSync(join(root, 'viewer', 'page.html'), 'utf8');
  return template.replace('/*style*/', () => textOf('.css')).replace('/*script*/', () => textOf('.js'));
}

/** Packages whose code is in the page. */
const BUNDLED = ['preact', '@preact/signals', '@preact/signals-core', 'uplot', 'diff', 'highlight.js'];

/** Their licences, which must go where their code goes. */
export function licences(root) {
  const texts = BUNDLED.map(
    (name) => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`,
  );
  return `page.html holds code of these packages.\n\n${texts.join('\n\n')}`;
}
