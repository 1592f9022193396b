// Folders that are written here -> transformers and PEFT give our numbers.
// Only with SIPF_TEST_TRANSFORMERS: a Python that has both, or 1 to make one (venv, PyPI).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, ModelExport } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import type { ModelSource } from '../../src/records.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';
import { relativeError } from '../training-fixtures.ts';

const wanted = process.env.SIPF_TEST_TRANSFORMERS ?? '';

interface Found {
  readonly merged: readonly number[];
  readonly peft: readonly number[];
  readonly score: number;
}

describe.skipIf(wanted === '')('transformers and PEFT', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'sipf-transformers-'));
  let python = wanted;
  let backend: Backend;
  beforeAll(() => {
    backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') });
    if (wanted !== '1') return;
    execFileSync('python3', ['-m', 'venv', join(scratch, 'venv')]);
    python = join(scratch, 'venv', 'bin', 'python');
    execFileSync(python, ['-m', 'pip', 'install', '-q', 'torch', 'transformers==5.23.0', 'peft==0.21.2']);
  }, 1_800_000);
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  const exported = async (source: ModelSource, to: ModelExport['to'], base?: string) => {
    const out = join(scratch, to);
    rmSync(out, { recursive: true, force: true });
    await backend.exportModel(source, { to, out, dtype: 'f32', card: '', base });
    return out;
  };

  it.each(['llama', 'qwen2', 'gemma2', 'gemma3-text', 'phi', 'smollm3', 'olmo2'])(
    '%s: merged, as an adapter, and a PRM as a causal LM',
    async (name) => {
      const model = await makeModelFolder(scratch, { from: `architectures/${name}` });
      const adapted = { model, adapter: join(fixtures, 'architectures', name, 'adapter') };
      const prm = await makeModelFolder(scratch, {
        from: 'prm',
        weights: (tensors) => tensors.get('score.bias')?.data.fill(0.5),
      });
      await using policy = await backend.openPolicy(adapted);
      await using scorer = await backend.openPrm({ model: prm });
      const text = 'Question: how many?\nAnswer:\n3*4=12 apples.';
      const [ids = []] = await policy.encode([[text]]);
      const folders = [
        await exported(adapted, 'merged'),
        model,
        await exported(adapted, 'peft', model),
        await exported({ model: prm }, 'prm-lm'),
      ];
      const script = join(import.meta.dirname, '../transformers-logps.py');
      const found = JSON.parse(
        execFileSync(python, [script, ...folders, JSON.stringify(ids)], { encoding: 'utf8' }),
      ) as Found;
      const [logps = []] = await policy.logps([{ context: [ids.slice(0, 1)], completion: ids.slice(1) }]);
      const ours = logps.filter((logp) => logp !== null);
      expect(relativeError(found.merged, ours)).toBeLessThan(1e-4);
      expect(relativeError(found.peft, ours)).toBeLessThan(1e-4);
      const [prompt, step] = ['Question: how many?\nAnswer:\n', '3*4=12 apples.\n'];
      const [[score] = []] = await scorer.score([{ prompt, steps: [step] }]);
      expect(Math.abs(found.score - Number(score))).toBeLessThan(1e-4);
    },
    300_000,
  );
});
