// A backend for tests of the command line: it writes sums with slips. SIPF_SLOW_MS delays each one.
import { createScriptedBackend } from '#sipf/backends/index.js';

const slow = Number(process.env.SIPF_SLOW_MS ?? 0);

/** `2+3+4` -> `2+3=5`, `5+4=9`, `The answer is 9`; off by one with a chance that falls with skill. */
function write({ prompt, prefix, random, temperature, skill }) {
  const question = prompt.slice(prompt.lastIndexOf('Question: ') + 10).split('\n')[0];
  const numbers = question.split('+').map(Number);
  const done = prefix.split('\n').filter((line) => /^\d+\+/.test(line));
  const slip = (temperature === 0 ? 0.15 : 0.3) * 0.85 ** skill;
  let total = Number(done.at(-1)?.split('=')[1] ?? numbers[0]);
  const lines = [];
  for (const n of numbers.slice(1 + done.length)) {
    const next = total + n + (random.next() < slip ? 1 : 0);
    lines.push(`${total}+${n}=${next}`);
    total = next;
  }
  return [...lines, `The answer is ${total}`].join('\n');
}

export function score({ steps }) {
  return steps.map((step) => {
    const [, a, b, c] = /^(\d+)\+(\d+)=(\d+)/.exec(step) ?? [];
    return Number(a) + Number(b) === Number(c) ? 0.8 : 0.3;
  });
}

function onWork() {
  if (slow > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slow);
}

export default () => createScriptedBackend({ write, score, onWork });
