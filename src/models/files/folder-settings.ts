// A model folder's files beside tokenizer.json -> special tokens, BOS rule and chat template.
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError, shown } from '../../errors.ts';
import { exists, readJsonObjectIfThere, readText } from '../../io/file-bytes.ts';
import { type NamedJson, specialTokens, type TokenizerSettings } from '../tokenizer/special-tokens.ts';
import { highestId } from '../tokenizer/tokenizer-json.ts';
import type { Json } from '../tokenizer/tokenizer-schema.ts';

/** Files of tokenizers in other forms. */
const OTHER_TOKENIZERS = ['tokenizer.model', 'vocab.json', 'tekken.json', 'vocab.txt'];

/** The error about a folder without tokenizer.json. */
export async function noTokenizer(path: string): Promise<SipfError> {
  const found = await Promise.all(OTHER_TOKENIZERS.map((name) => exists(join(path, name))));
  const other = OTHER_TOKENIZERS.find((_, n) => found[n]);
  const hint = other
    ? `There is a ${other}: convert it (AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)).`
    : 'Put the tokenizer of the base model there.';
  return new SipfError('not-found', `Expected tokenizer.json in ${path}, got none. ${hint}`);
}

/** @param json the checked tokenizer.json. @throws SipfError 'bad-input' naming the file and its key. */
export async function folderSettings(path: string, json: Json, file: string): Promise<TokenizerSettings> {
  const read = async (name: string): Promise<NamedJson> => ({
    file: join(path, name),
    json: await readJsonObjectIfThere(join(path, name)),
  });
  const config = await read('tokenizer_config.json');
  const model = await read('config.json');
  const stated = model.json.vocab_size;
  const special = specialTokens({
    tokenizer: { file, json },
    named: [config, await read('special_tokens_map.json')],
    numbered: [await read('generation_config.json'), model],
    rows: typeof stated === 'number' ? stated : highestId(json) + 1,
  });
  return {
    ...special,
    addBos: addBosOf(config),
    chatTemplate: await folderChatTemplate(path, config),
  };
}

function addBosOf({ file, json }: NamedJson): boolean | null {
  const value = json.add_bos_token ?? null;
  if (value === null || typeof value === 'boolean') return value;
  throw new SipfError(
    'bad-input',
    `Expected add_bos_token in ${file} to be true or false, got ${shown(value)}. Correct it, or download the tokenizer again.`,
  );
}

async function folderChatTemplate(path: string, { file, json }: NamedJson): Promise<string | null> {
  const own = join(path, 'chat_template.jinja');
  if (await exists(own)) return readText(own);
  const stated = json.chat_template ?? null;
  if (stated === null || typeof stated === 'string') return stated;
  const named = ChatTemplates.safeParse(stated);
  if (named.success) return named.data.find(({ name }) => name === 'default')?.template ?? null;
  throw new SipfError(
    'bad-input',
    `Expected chat_template in ${file} to be a text or a list of {name, template}, got ${shown(stated)}. Correct it, or download the tokenizer again.`,
  );
}

const ChatTemplates = z.array(z.looseObject({ name: z.string(), template: z.string() }));
