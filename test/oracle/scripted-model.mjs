// What the oracle's scripted model writes and how it scores: sums, functions, word problems.
// It knows no paths: artefacts depend on texts alone.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/** ORACLE_DIE_AT=n: the process kills itself at its n-th completion or optimizer step, as `kill -9` would. */
const dieAt = Number(process.env.ORACLE_DIE_AT ?? Number.POSITIVE_INFINITY);
let work = 0;
/** Questions -> worked solutions, which the oracle collects from an earlier run. */
const solutions = () => (existsSync('solutions.json') ? JSON.parse(readFileSync('solutions.json', 'utf8')) : {});

const SUM = /(?<![\d+=])\d+(?:\+\d+){2,}(?![\d+=])/g;
const CODE = /adds (\d+) and multiplies by (\d+)/g;

function onWork() {
  work += 1;
  if (work === dieAt) process.kill(process.pid, 'SIGKILL');
}

function write(args) {
  const { prompt } = args;
  const code = [...prompt.matchAll(CODE)].at(-1);
  const sum = [...prompt.matchAll(SUM)].at(-1);
  if (code !== undefined && code.index > (sum?.index ?? -1)) return writeCode(args, code);
  if (sum !== undefined) return writeSum(args, sum[0].split('+').map(Number));
  const known = solutions();
  const question = Object.keys(known).find((text) => prompt.includes(text));
  return question === undefined ? 'The answer is 7' : writeKnown(args, known[question]);
}

const slipOf = ({ temperature, skill }) => (temperature === 0 ? 0.15 : 0.3) * 0.85 ** skill;

/** Continues after the prefix's last partial sum; each new line is off by one with a chance that falls with skill. */
function writeSum(args, numbers) {
  const slip = slipOf(args);
  const done = args.prefix.split('\n').filter((line) => /^\d+\+/.test(line));
  let total = Number(done.at(-1)?.split('=')[1] ?? numbers[0]);
  const lines = [];
  for (const n of numbers.slice(1 + done.length)) {
    const next = total + n + (args.random.next() < slip ? 1 : 0);
    lines.push(`${total}+${n}=${next}`);
    total = next;
  }
  return [...lines, `The answer is ${total}`].join('\n');
}

function writeCode(args, [, add, multiply]) {
  const slip = slipOf(args);
  const change = (n) => Number(n) + (args.random.next() < slip ? 1 + args.random.int(0, 3) : 0);
  const lines = ['def f(x):\n', `    y = x + ${change(add)}\n`, `    y = y * ${change(multiply)}\n`];
  const extra = args.random.next() < 0.3 ? '    z = y\n    w = z\n    u = w\n' : '';
  const done = ['def f(x):\n', '    y = x +', '    y = y *'].filter((line) => args.prefix.includes(line)).length;
  return [...lines, extra, '    return y\n'].slice(done).join('');
}

/** The worked solution after the prefix's lines; a line's result is off by one with a chance that falls with skill. */
function writeKnown(args, solution) {
  const slip = slipOf(args);
  const done = args.prefix.split('\n').filter((line) => line !== '').length;
  const off = (line) => line.replace(/=(\d+)>>\d+/, (_, n) => `=${Number(n) + 1}>>${Number(n) + 1}`);
  const lines = solution.split('\n').slice(done);
  return lines.map((line) => (args.random.next() < slip ? off(line) : line)).join('\n');
}

/** Sees most wrong steps, with noise that depends on the text. */
function score({ prompt, steps }, skill) {
  const code = [...prompt.matchAll(CODE)].at(-1);
  let isRight = true;
  return steps.map((step) => {
    const [, a, b, c] = /^(\d+)\+(\d+)=(\d+)/.exec(step) ?? [];
    if (a !== undefined && Number(a) + Number(b) !== Number(c)) isRight = false;
    const [, sign, number] = /y = \w ([+*]) (\d+)/.exec(step) ?? [];
    if (sign !== undefined && code !== undefined && number !== code[sign === '+' ? 1 : 2]) isRight = false;
    const noise = createHash('sha256').update(`${skill} ${step}`).digest().readUInt16BE(0) / 65_536;
    return (isRight ? 0.8 : 0.3) + 0.2 * (noise - 0.5);
  });
}

export default { write, score, onWork };
