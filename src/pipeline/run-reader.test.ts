// Run directories that this version does not fit -> errors that name the file and the keys.
import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configOfRun, readRun } from './run-reader.ts';
import { trainedOn } from './trained-questions.ts';

describe('a run that another version began', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sipf-old-run-'));
  const stored = { config: { model: 'base', align: { lambda: 0.1 } }, versions: {} };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(stored));
  const message =
    /config\.json does not fit this version of sipf\. Expected a known configuration key, got align\.lambda\. Did you mean align\.loss\.lambda\?/;
  it('is refused with its file and the keys of this version', async () => {
    await expect(configOfRun(dir)).rejects.toThrow(message);
    await expect(readRun(dir)).rejects.toThrow(message);
  });

  it('keeps its policies: what they trained on is known', async () => {
    const policy = join(dir, 'iteration-1', '6-policy');
    mkdirSync(policy, { recursive: true });
    expect(await trainedOn({ model: policy })).toEqual([{ run: realpathSync(dir), questions: [], bases: [] }]);
  });
});
