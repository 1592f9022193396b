// MODEL LORA IDS N TEXTS: a GGUF file, a LoRA file or "", ids, texts -> greedy ids, ids of texts.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// Installed where the working directory is.
const { resolve } = createRequire(join(process.cwd(), 'package.json'));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(resolve('node-llama-cpp')).href);

const [, , modelPath, lora = '', ids = '[]', count = '16', texts = '[]'] = process.argv;
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, useMmap: false });
const context = await model.createContext({
  contextSize: 128,
  threads: 1,
  ...(lora === '' ? {} : { lora: { adapters: [{ filePath: lora, scale: 1 }] } }),
});
const sequence = context.getSequence();
const tokens = [];
for await (const token of sequence.evaluate(JSON.parse(ids), { temperature: 0, yieldEogToken: true })) {
  tokens.push(token);
  if (tokens.length >= Number(count)) break;
}
const { eos, bos } = model.tokens;
process.stdout.write(
  `${JSON.stringify({ tokens, eos, bos, addsBos: model.tokens.shouldPrependBosToken, template: model.fileInfo.metadata.tokenizer?.chat_template ?? null, texts: JSON.parse(texts).map((text) => model.tokenize(text, true)) })}\n`,
  () => process.exit(0),
);
