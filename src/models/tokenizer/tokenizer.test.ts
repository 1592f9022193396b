// Tokenizer files -> ids and text as Hugging Face has them.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes } from '../../../test/fixtures/gguf-bytes.ts';
import type { TokenizerSettings } from './special-tokens.ts';
import { checkVocabulary, loadTokenizer, makeTokenizer, type Tokenizer } from './tokenizer.ts';
import type { Json } from './tokenizer-schema.ts';

const fixture = join(import.meta.dirname, '../../../test/fixtures/tokenizer');
const NONE: TokenizerSettings = { bosId: null, eosIds: [], padId: null, addBos: null, chatTemplate: null };

let root: string;
let small: Tokenizer;
let json: Json;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-tokenizer-'));
  small = await loadTokenizer(fixture);
  json = JSON.parse(await readFile(join(fixture, 'tokenizer.json'), 'utf8')) as Json;
});
afterAll(() => rm(root, { recursive: true }));

describe('a byte-level tokenizer.json', () => {
  it('gives the ids of Hugging Face and the text back', async () => {
    const lines = (await readFile(join(fixture, 'expected.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.length).toBe(24);
    for (const line of lines) {
      const { text, ids } = JSON.parse(line) as { text: string; ids: number[] };
      expect(small.encode(text)).toEqual(ids);
      expect(small.encodeContinuation(text)).toEqual(ids);
      expect(small.decode(ids)).toBe(text);
    }
  });

  it('reads special tokens as tokens or as text', () => {
    expect(small.encode('</s>')).toEqual([2]);
    const asText = small.encode('</s>', { special: false });
    expect(asText.length).toBeGreaterThan(1);
    expect(small.decode(asText)).toBe('</s>');
    expect(small.decode([1, ...small.encode('a b'), 2])).toBe('a b');
  });

  it('knows its ids', () => {
    expect(small).toMatchObject({ bosId: 1, eosIds: [2], padId: 0, vocabSize: 512, leadingIds: [] });
    expect(small.chatTemplate).toContain('add_generation_prompt');
    expect(small.encode('')).toEqual([]);
    expect(small.decode([])).toBe('');
  });

  it('isolates digits and white space of all scripts as Hugging Face does', () => {
    expect(small.decode(small.encode('٣٤\u0085 x\uFEFF'))).toBe('٣٤\u0085 x\uFEFF');
    const vocab = { ...((json.model as Json).vocab as Record<string, number>), 'Ù£': 513, 'Ù¤': 514, 'Ù£Ù¤': 512 };
    const merged = makeTokenizer(
      { ...json, model: { ...(json.model as Json), vocab, merges: [...['Ù £', 'Ù ¤', 'Ù£ Ù¤']] } },
      NONE,
      'x',
    );
    expect(merged.encode('٣٤')).not.toContain(512);
  });

  it('puts a prefix space before a beginning only, where the tokenizer asks for it', () => {
    const bytes = (prefix: boolean): Json => ({ type: 'ByteLevel', add_prefix_space: prefix, use_regex: true });
    const plain = makeTokenizer({ ...json, pre_tokenizer: bytes(false) }, NONE, 'x');
    const prefixed = makeTokenizer({ ...json, pre_tokenizer: bytes(true) }, NONE, 'x');
    for (const text of ['🙂🙂 a', 'word']) {
      expect(prefixed.encode(text)).toEqual(plain.encode(` ${text}`));
      expect(prefixed.encode(` ${text}`)).toEqual(plain.encode(` ${text}`));
      expect(prefixed.encodeContinuation(text)).toEqual(plain.encode(text));
    }
  });

  it('streams whole characters only', () => {
    const text = 'naïve 🙂 日本\n';
    const stream = small.stream();
    const pieces = small.encode(text).map((id) => stream.push(id));
    expect(pieces.join('') + stream.end()).toBe(text);
    expect(pieces.filter((piece) => piece.includes('\uFFFD'))).toEqual([]);
    const broken = small.stream();
    const [first] = small.encode('é');
    expect(broken.push(first as number)).toBe('');
    expect(broken.end()).toBe('\uFFFD');
  });

  it('streams broken bytes as the whole of them is decoded', () => {
    let state = 7;
    const draw = (below: number): number => {
      state = (state * 48271) % 2147483647;
      return state % below;
    };
    for (let round = 0; round < 200; round++) {
      // Mostly single bytes, some special tokens: what an untrained model writes.
      const ids = Array.from({ length: 60 }, () => (draw(10) === 0 ? draw(3) : 3 + draw(round % 2 === 0 ? 256 : 509)));
      const stream = small.stream();
      const text = ids.map((id) => stream.push(id)).join('') + stream.end();
      expect(text).toBe(small.decodeContinuation(ids));
    }
  });
});

describe('beginnings', () => {
  const template = (ids: number[]): Json => ({
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '<s>', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '</s>', type_id: 0 } },
    ],
    special_tokens: { '<s>': { id: '<s>', ids, tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] } },
  });

  it('come with the BOS of the post-processor and never with EOS', () => {
    const nested = { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template([1])] };
    for (const post of [template([1]), nested]) {
      const tokenizer = makeTokenizer({ ...json, post_processor: post }, NONE, 'x');
      expect(tokenizer.encode('a')).toEqual([1, ...small.encode('a')]);
      expect(tokenizer.encodeContinuation('a')).toEqual(small.encode('a'));
    }
  });

  it('follow add_bos_token where it is stated', () => {
    expect(
      makeTokenizer({ ...json, post_processor: template([1]) }, { ...NONE, addBos: false }, 'x').encode('a'),
    ).toEqual(small.encode('a'));
    expect(makeTokenizer(json, { ...NONE, bosId: 1, addBos: true }, 'x').encode('')).toEqual([1]);
    expect(() => makeTokenizer(json, { ...NONE, addBos: true }, 'x')).toThrow('Expected a BOS token');
  });

  it('take all end tokens of generation_config.json, the tokenizer own first', async () => {
    await writeFile(join(root, 'tokenizer.json'), JSON.stringify(json));
    await writeFile(
      join(root, 'tokenizer_config.json'),
      JSON.stringify({ eos_token: { content: '</s>' }, chat_template: [{ name: 'default', template: 'x' }] }),
    );
    await writeFile(join(root, 'generation_config.json'), JSON.stringify({ eos_token_id: [0, 2] }));
    expect(await loadTokenizer(root)).toMatchObject({ eosIds: [2, 0], chatTemplate: 'x' });
  });
});

const SENTENCEPIECE = {
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '<0xC3>', '<0xA9>', '▁', 'a', 'b', '▁a', 'ab', '▁ab'],
  'tokenizer.ggml.scores': [0, 0, 0, 0, 0, -6, -5, -4, -1, -2, -3],
  'tokenizer.ggml.token_type': [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1],
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 2,
  'tokenizer.ggml.eot_token_id': 0,
};

describe('GGUF metadata', () => {
  async function fromGguf(metadata: Parameters<typeof ggufBytes>[0]): Promise<Tokenizer> {
    const file = join(root, 'tokenizer.gguf');
    await writeFile(file, ggufBytes({ 'general.architecture': 'llama', ...metadata }));
    return loadTokenizer(file);
  }

  it('of SentencePiece: best score first, a space before a beginning only, bytes for the rest', async () => {
    const tokenizer = await fromGguf(SENTENCEPIECE);
    expect(tokenizer.leadingIds).toEqual([1]);
    expect(tokenizer.eosIds).toEqual([2, 0]);
    expect(tokenizer.encode('ab')).toEqual([1, 10]);
    expect(tokenizer.encode('aab')).toEqual([1, 8, 9]);
    expect(tokenizer.encode('bab')).toEqual([1, 5, 7, 9]);
    expect(tokenizer.encodeContinuation('ab')).toEqual([9]);
    expect(tokenizer.encodeContinuation(' ab')).toEqual([10]);
    expect(tokenizer.encodeContinuation('é')).toEqual([3, 4]);
    expect(tokenizer.decode([8, 7])).toBe('ab');
    expect(tokenizer.decodeContinuation([8, 7])).toBe(' ab');
    const stream = tokenizer.stream();
    expect([8, 7, 3, 4, 8].map((id) => stream.push(id))).toEqual([' a', 'b', '', 'é', ' a']);
  });

  const BPE = {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'smollm',
    'tokenizer.ggml.tokens': ['<|end|>', '1', '2', '12', 'a'],
    'tokenizer.ggml.token_type': [3, 1, 1, 1, 1],
    'tokenizer.ggml.merges': ['1 2'],
  };

  it('of BPE: the pre-tokenizer decides', async () => {
    expect((await fromGguf(BPE)).encode('12a<|end|>')).toEqual([1, 2, 4, 0]);
    expect((await fromGguf({ ...BPE, 'tokenizer.ggml.pre': 'gpt-2' })).encode('12a')).toEqual([3, 4]);
    expect(
      (await fromGguf({ ...BPE, 'tokenizer.ggml.pre': 'llama-bpe', 'tokenizer.ggml.bos_token_id': 0 })).encode('12a'),
    ).toEqual([0, 3, 4]);
    expect((await fromGguf({ ...BPE, 'tokenizer.ggml.pre': 'qwen2' })).encode('12a')).toEqual([1, 2, 4]);
  });

  it('ends at eos, eot and eom together; ids that are not there are left out, with a warning', async () => {
    const eos = (ids: Record<string, string | number>) =>
      fromGguf({
        ...BPE,
        ...Object.fromEntries(Object.entries(ids).map(([role, id]) => [`tokenizer.ggml.${role}_token_id`, id])),
      });
    expect((await eos({ eos: 0, eot: 4, eom: 1 })).eosIds).toEqual([0, 4, 1]);
    expect((await eos({ eos: 0, eot: 0 })).eosIds).toEqual([0]);
    expect(await eos({ eos: 0xffffffff })).toMatchObject({ eosIds: [], warnings: [] });
    expect(await eos({ eos: 99, eot: 4 })).toMatchObject({
      eosIds: [4],
      warnings: [expect.stringContaining('tokenizer.ggml.eos_token_id 99')],
    });
    await expect(eos({ eos: 'x' })).rejects.toThrow('tokenizer.ggml.eos_token_id');
    await expect(eos({ eos: 1.5 })).rejects.toThrow('tokenizer.ggml.eos_token_id');
  });

  it('that is unknown or damaged is refused by name', async () => {
    await expect(fromGguf({ ...BPE, 'tokenizer.ggml.pre': 'mystery' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('mystery'),
    });
    await expect(fromGguf({ ...BPE, 'tokenizer.ggml.model': 'bert' })).rejects.toThrow('bert');
    await expect(fromGguf({ ...BPE, 'tokenizer.ggml.merges': ['12'] })).rejects.toThrow(
      'two tokens in merge 0 of tokenizer.ggml.merges',
    );
    await expect(fromGguf({ ...BPE, 'tokenizer.ggml.token_type': [1] })).rejects.toThrow('tokenizer.ggml.token_type');
    await expect(fromGguf({})).rejects.toThrow('tokenizer.ggml.tokens');
  });
});

describe('what cannot be reproduced', () => {
  const refuse = (change: Json) => () => makeTokenizer({ ...json, ...change }, NONE, 'there/tokenizer.json');
  it('is refused by name', () => {
    expect(refuse({ pre_tokenizer: { type: 'BertPreTokenizer' } })).toThrow(
      'pre_tokenizer BertPreTokenizer in there/tokenizer.json',
    );
    expect(refuse({ pre_tokenizer: { type: 'Split', pattern: { Regex: 'x' }, behavior: 'MergedWithNext' } })).toThrow(
      'MergedWithNext',
    );
    expect(refuse({ normalizer: { type: 'BertNormalizer' } })).toThrow('normalizer BertNormalizer');
    expect(refuse({ model: { type: 'WordPiece' } })).toThrow('model WordPiece');
    expect(refuse({ post_processor: { type: 'BertProcessing' } })).toThrow('post_processor BertProcessing');
    expect(refuse({ model: null })).toThrow('Expected "model"');
    expect(refuse({ added_tokens: [{ id: 0, content: 'x', single_word: true }] })).toThrow('single_word');
  });

  it('and missing or damaged files too', async () => {
    await expect(loadTokenizer(join(fixture, '..'))).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('tokenizer.json'),
    });
    const folder = await mkdtemp(join(root, 'damaged-'));
    await writeFile(join(folder, 'tokenizer.json'), '{"model": ');
    await expect(loadTokenizer(folder)).rejects.toThrow('Expected JSON in');
  });
});

describe('checkVocabulary', () => {
  it('lets padded embeddings pass, warns of much larger ones and refuses small ones', () => {
    for (const rows of [512, 576, 1536]) expect(checkVocabulary(small, rows, 'dir')).toEqual([]);
    expect(checkVocabulary(small, 1537, 'dir')).toEqual([expect.stringMatching(/dir has 512 ids, .* 1537 rows/)]);
    expect(checkVocabulary({ vocabSize: 0 }, 9000, 'dir')).toEqual([]);
    expect(() => checkVocabulary(small, 511, 'dir')).toThrow('511 ids (rows of the embedding) in dir, got 512');
  });
});
