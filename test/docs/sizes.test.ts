// Committed measurements and the formulas of --dry-run -> docs/sizes.md (`npm run docs` writes it).
import { expect, it } from 'vitest';
import { sizesDocument } from './sizes-document.ts';

it('docs/sizes.md is up to date', async () => {
  await expect(sizesDocument()).toMatchFileSnapshot('../../docs/sizes.md');
});
