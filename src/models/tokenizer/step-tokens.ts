// A step's text -> its ids as a process reward model reads them, at the end of which is its score.

/**
 * The line feed that ends a step is a token apart, whatever the tokenizer makes of it and the marks before it (`.\n` is one token of Llama 3
 * and Qwen). So every such step ends alike, and a tag can stand for its end.
 */
export function stepTokens(step: string, encode: (text: string) => readonly number[]): number[] {
  const text = step.replace(/\n$/, '');
  if (text === step || text === '') return [...encode(step)];
  return [...encode(text), ...encode('\n')];
}
