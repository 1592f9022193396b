// GGUF files that are written here -> llama.cpp reads the same tokens and continues as we do.
// Only with SIPF_TEST_LLAMA_CPP: a folder where node-llama-cpp is installed, or 1 to install it in a temporary one.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Completion, ModelExport } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import type { ModelSource } from '../../src/records.ts';
import { ARCHITECTURE_FIXTURES } from '../architecture-fixture.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';

const wanted = process.env.SIPF_TEST_LLAMA_CPP ?? '';
const VERSION = '3.22.1';
const TOKENS = 12;
const IDS = [1, 54, 338, 336, 223];
const TEXT = 'Tom has 3 bags.\n12-2=10';

/** What llama.cpp takes from the sizes, and windows that it lacks. */
const AS_LLAMA_CPP: Readonly<Record<string, Record<string, unknown>>> = {
  gemma2: { query_pre_attn_scalar: 8 },
  'gemma3-text': { query_pre_attn_scalar: 8 },
  mistral: { sliding_window: null },
};

interface Continued {
  readonly tokens: readonly number[];
  readonly eos: number;
  readonly bos: number;
  readonly addsBos: boolean;
  readonly template: string | null;
  readonly texts: readonly (readonly number[])[];
}

describe.skipIf(wanted === '')('llama.cpp', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'sipf-llama-'));
  const place = wanted === '1' ? scratch : wanted;
  let backend: Backend;
  beforeAll(() => {
    backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') });
    if (wanted !== '1') return;
    writeFileSync(join(scratch, 'package.json'), '{}');
    const packages = [`node-llama-cpp@${VERSION}`, `@node-llama-cpp/${process.platform}-${process.arch}@${VERSION}`];
    execFileSync('npm', ['install', '--ignore-scripts', '--omit=optional', ...packages], { cwd: scratch });
  }, 600_000);
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  const exported = async (source: ModelSource, to: ModelExport['to'], dtype: ModelExport['dtype'] = 'f32') => {
    const out = join(scratch, `${to}-${dtype}-${source.adapter ? 'adapted' : 'base'}.gguf`);
    rmSync(out, { force: true });
    await backend.exportModel(source, { to, out, dtype, card: '' });
    return out;
  };

  const byLlama = (model: string, lora = '', texts: readonly string[] = [TEXT]): Continued =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [
          join(import.meta.dirname, '../llama-continue.mjs'),
          model,
          lora,
          JSON.stringify(IDS),
          String(TOKENS),
          JSON.stringify(texts),
        ],
        { cwd: place, encoding: 'utf8' },
      ),
    ) as Continued;

  async function ours(source: ModelSource): Promise<readonly number[]> {
    await using policy = await backend.openPolicy(source);
    const found: Completion[] = [];
    const sampling = { temperature: 0, maxTokens: TOKENS, ignoreEos: true };
    await policy.generate([{ id: 'a', context: [IDS], key: 'a', sampling }], (finished) => {
      found.push(...finished);
      return [];
    });
    return found[0]?.tokenIds ?? [];
  }

  it.each(ARCHITECTURE_FIXTURES)(
    '%s: base, merged and with the LoRA beside it, continues greedily with our tokens',
    async (name) => {
      const model = await makeModelFolder(scratch, { from: `architectures/${name}`, config: AS_LLAMA_CPP[name] ?? {} });
      const adapted = { model, adapter: join(fixtures, 'architectures', name, 'adapter') };
      const base = await exported({ model }, 'gguf');
      const alone = byLlama(base);
      const tokenizer = await loadTokenizer(model);
      expect(alone).toMatchObject({
        tokens: await ours({ model }),
        eos: tokenizer.eosIds[0],
        bos: tokenizer.bosId,
        addsBos: tokenizer.leadingIds.length > 0,
        template: tokenizer.chatTemplate,
        texts: [tokenizer.encodeContinuation(TEXT)],
      });
      const expected = await ours(adapted);
      expect(byLlama(await exported(adapted, 'gguf')).tokens).toEqual(expected);
      expect(byLlama(base, await exported(adapted, 'gguf-lora')).tokens).toEqual(expected);
    },
    120_000,
  );

  it('reads texts as we do by a Unigram tokenizer that we wrote', async () => {
    const { texts, models } = JSON.parse(readFileSync(join(fixtures, 'unigram/models.json'), 'utf8'));
    const { tokenizer: json, metadata } = models.rules;
    const scores = metadata['tokenizer.ggml.scores'];
    const vocab = metadata['tokenizer.ggml.tokens'].map((token: string, id: number) => [token, scores[id]]);
    const files = { 'tokenizer.json': { ...json, model: { ...json.model, vocab } } };
    const model = await makeModelFolder(scratch, { files });
    const tokenizer = await loadTokenizer(model);
    const found = byLlama(await exported({ model }, 'gguf'), '', texts);
    const differing = texts.filter(
      (text: string, n: number) => String(tokenizer.encode(text)) !== String(found.texts[n]),
    );
    // A short grapheme has one rule for Hugging Face, and a character that we do not replace hides the space before a text.
    expect(differing).toEqual(['▁a ▁ ▁▁b', 'x\u0301\u0302\u0303y']);
  }, 60_000);

  it('loads Q8_0 and F16 files', async () => {
    const model = await makeModelFolder(scratch);
    for (const dtype of ['q8_0', 'f16'] as const)
      expect(byLlama(await exported({ model }, 'gguf', dtype)).tokens).toHaveLength(TOKENS);
  }, 60_000);
});
