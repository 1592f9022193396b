// Sums with slips -> what the servers of bench/growth write, and the files of their model.
import type { Backend } from '#sipf/backend.js';
import { createScriptedBackend, type WriteArgs } from '#sipf/backends/scripted.js';

/** Sometimes a step goes wrong, and the answer with it. */
export function write({ prompt, prefix, random }: Pick<WriteArgs, 'prompt' | 'prefix' | 'random'>): string {
  const text = prompt + prefix;
  const [a = 0, b = 0] = (/sum of (\d+) and (\d+)/.exec(text) ?? []).slice(1).map(Number);
  const slip = () => (random.next() < 0.3 ? random.int(1, 9) : 0);
  const known = /= (\d+)\n/.exec(text)?.[1];
  const total = known === undefined ? a + b + slip() : Number(known);
  const first = known === undefined ? `First ${a} + ${b} = ${total}\n` : '';
  return `${first}Twice that is 2 * ${total} = ${2 * total + slip()}\nThe answer is ${2 * total}`;
}

export default (): Backend => createScriptedBackend({ write });
