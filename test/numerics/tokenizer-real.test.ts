// Real tokenizers against ids by llama.cpp and Hugging Face; round trips of real texts.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer, makeTokenizer, type Tokenizer } from '../../src/models/tokenizer/tokenizer.ts';

const shared = join(import.meta.dirname, '../../../shared');
const at = (path: string): string => join(shared, path);

function available(path: string): boolean {
  if (existsSync(at(path))) return true;
  console.log(`skipped: ../shared/${path} is not there`);
  return false;
}

interface Row {
  readonly text: string;
  readonly ids: number[];
  readonly ids_with_special: number[];
}

function rowsOf(path: string): Row[] {
  return readFileSync(at(path), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

const gguf = 'models/SmolLM2-135M-Instruct.Q4_1.gguf';
const train = 'data/gsm8k/train.jsonl';

const GGUF = [
  {
    name: 'SmolLM2, byte-level BPE',
    file: gguf,
    expected: 'fixtures/tokenizers/smollm2-135m-instruct.jsonl',
    settings: { bosId: 1, eosIds: [2], padId: 2, vocabSize: 49152, leadingIds: [] },
    greeting: [[1, 19556, 2], 'Hello'],
  },
  {
    name: 'Gemma 3, SentencePiece',
    file: 'models/gemma-3-270m-q4_k_m.gguf',
    expected: 'fixtures/tokenizers/gemma-3-270m.jsonl',
    settings: { bosId: 2, eosIds: [1], padId: 0, vocabSize: 262144, leadingIds: [2] },
    greeting: [[2, 9259, 1], 'Hello'],
  },
] as const;

describe.each(GGUF.filter(({ file, expected }) => available(file) && available(expected)))(
  '$name from GGUF metadata',
  ({ file, expected, settings, greeting }) => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await loadTokenizer(at(file));
    });

    it('gives the ids of llama.cpp on every text, with and without special tokens', () => {
      const rows = rowsOf(expected);
      expect(rows.length).toBe(188);
      for (const { text, ids, ids_with_special: special } of rows) {
        const begun = settings.leadingIds;
        expect(tokenizer.encode(text, { special: false }), JSON.stringify(text)).toEqual([...begun, ...ids]);
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual([...begun, ...special]);
        expect(tokenizer.encodeContinuation(text, { special: false })).toEqual(ids);
        expect(tokenizer.encodeContinuation(text)).toEqual(special);
      }
    });

    it('decodes back to the text, at once and token by token', () => {
      for (const { text, ids } of rowsOf(expected)) {
        const stream = tokenizer.stream();
        expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(text);
        expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(text);
      }
    });

    it('knows its special ids', () => {
      expect(tokenizer).toMatchObject(settings);
      expect(tokenizer.decode(greeting[0])).toBe(greeting[1]);
    });
  },
);

const neox = 'data/tokenizers/gpt-neox-20b.tokenizer.json';
describe.skipIf(!available(neox) || !available(train))('gpt-neox-20b from tokenizer.json', () => {
  it('round-trips questions and answers', () => {
    const json = JSON.parse(readFileSync(at(neox), 'utf8')) as Record<string, unknown>;
    const settings = { bosId: 0, eosIds: [0], padId: null, addBos: null, chatTemplate: null };
    const tokenizer = makeTokenizer(json, settings, at(neox));
    const lines = readFileSync(at(train), 'utf8').split('\n').slice(0, 200);
    for (const line of lines) {
      const { question, answer } = JSON.parse(line) as { question: string; answer: string };
      const text = `${question}\n${answer}`.normalize('NFC');
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
    expect(tokenizer.encode('Hello world')).toEqual([12092, 1533]);
  });
});

const reference = 'fixtures/real/smollm2-135m-instruct.json';

describe.skipIf(!available(gguf) || !available(reference) || !available(train))(
  'prompts and answers of the real reference',
  () => {
    it('are tokenised as transformers did, the answer as a continuation', async () => {
      const tokenizer = await loadTokenizer(at(gguf));
      const lines = readFileSync(at(train), 'utf8').split('\n');
      const { items } = JSON.parse(readFileSync(at(reference), 'utf8')) as {
        items: { prompt_ids: number[]; answer_ids: number[]; greedy_ids: number[]; greedy_text: string }[];
      };
      expect(items.length).toBeGreaterThan(0);
      for (const [i, item] of items.entries()) {
        const { question, answer } = JSON.parse(lines[i] as string) as { question: string; answer: string };
        expect(tokenizer.encode(`Question: ${question}\nAnswer:`)).toEqual(item.prompt_ids);
        expect(tokenizer.encodeContinuation(` ${answer}`)).toEqual(item.answer_ids);
        expect(tokenizer.decodeContinuation(item.greedy_ids)).toBe(item.greedy_text.replace(/<\|\w+\|>/g, ''));
      }
    });
  },
);
