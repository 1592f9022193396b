// `tokenizer.ggml.pre` of a GGUF file -> how the models of that name split a text before BPE.
import { GPT2_PATTERN } from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';

export interface PreTokenizer {
  /** Every match is a pre-token, and so is what is between matches; one pattern after another. */
  readonly patterns: readonly string[];
  /** A pre-token that is a vocabulary entry is taken whole. */
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
  readonly normalizer?: Json;
}

/** Punctuation with the line ends after it, line ends with the space before them, and other white space, whose last space goes to the word behind it. */
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
/** Words with one mark or space before them, numbers of so many digits, the rest. */
const words = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${REST}`;

/** Words end where lower case is followed by upper case; a slash may follow punctuation. */
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const TEKKEN_PATTERN = [
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+`,
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*`,
  '\\p{N}',
  REST.replace('[\\r\\n]*', '[\\r\\n/]*'),
].join('|');

const GPT2: PreTokenizer = { patterns: [GPT2_PATTERN] };
const THREE_DIGITS: PreTokenizer = { patterns: [words('\\p{N}{1,3}')] };
const LLAMA3: PreTokenizer = { ...THREE_DIGITS, ignoreMerges: true, addBos: true };
const QWEN2: PreTokenizer = { patterns: [words('\\p{N}')], normalizer: { type: 'NFC' } };

/** A name that is not here is refused: another split gives other ids without an error. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  smollm: { patterns: ['\\p{N}', GPT2_PATTERN] },
  'gpt-2': GPT2,
  'phi-2': GPT2,
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  // SmolLM 3, and Llama 3 as it was published first.
  'smaug-bpe': THREE_DIGITS,
  // OLMo 2.
  dbrx: THREE_DIGITS,
  qwen2: QWEN2,
  'deepseek-r1-qwen': QWEN2,
  // Mistral's of 131,072 tokens.
  tekken: { patterns: [TEKKEN_PATTERN], ignoreMerges: true, addBos: true },
  // Of numbers, groups of three digits from the right. Words are not split.
  superbpe: { patterns: ['\\p{N}+', '(?=(\\d{3})+(?!\\d))'] },
};
