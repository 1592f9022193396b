// Inputs of a stage, before and now -> their differences, and the lines that say them.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { jsonDifference } from '../hashing.ts';
import { changesOf, inputChanges, readJson } from './marker.ts';

it('a setting that is gone has no value', () => {
  const [before, now] = [{ loss: { kind: 'dpo', beta: 0.1 } }, { loss: { kind: 'orpo' } }];
  expect(changesOf(jsonDifference(before, now))).toBe('  loss.kind: "dpo" -> "orpo"\n  loss.beta: 0.1 -> none');
});

it('a setting that came after the marker changes nothing where it is off', () => {
  const marker = { stage: '2-step-labels', inputs: { options: { K: 4 }, gone: false }, outputs: {}, result: null };
  const now = (options: Record<string, unknown>) =>
    inputChanges(marker, { options: { K: 4, ...options }, gone: false });
  expect(now({ exactChecks: false, denoise: null })).toEqual([]);
  expect(now({ exactChecks: true })).toEqual([{ key: 'options.exactChecks', from: undefined, to: true }]);
  // It is on where nothing is said of it: false is a choice.
  expect(now({ calculatorLoss: false })).toEqual([{ key: 'options.calculatorLoss', from: undefined, to: false }]);
  expect(now({ K: 8 })).toEqual([{ key: 'options.K', from: 4, to: 8 }]);
  expect(inputChanges(marker, { options: { K: 4 } })).toEqual([{ key: 'gone', from: false, to: undefined }]);
});

it('a file that is no file of a run is named with its field and what to do', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'sipf-marker-')), 'eval.json');
  const schema = z.object({ rows: z.array(z.string()) });
  await writeFile(path, '{"rows": 3}');
  await expect(readJson(path, schema)).rejects.toThrow(
    `${path}, field "rows": Expected an array, got 3. Restore it or start another run directory.`,
  );
  await writeFile(path, '{"rows": ["a');
  await expect(readJson(path, schema)).rejects.toThrow(/eval\.json, got text that is not JSON .* Restore it or start/);
});
