// test/fixtures -> how many bytes it may have.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fixtures } from '../tiny-model.ts';

it('fixtures have 5 MB at most', () => {
  const files = readdirSync(fixtures, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  expect(files.length).toBeGreaterThan(50);
  expect(bytes).toBeLessThan(5e6);
});
