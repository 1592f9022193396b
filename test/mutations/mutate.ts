// A file's bytes and a random stream -> the same file, damaged: bits, lengths, values, keys.
import type { Random } from '../../src/random.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values that are wrong in most places. */
const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  0.5,
  -0.001,
  1e9,
  1e12,
  2 ** 31,
  2 ** 53,
  1e308,
  -1e308,
  '',
  'x',
  'NaN',
  '1',
  '__proto__',
  'constructor',
  '\ud800',
  '(',
  '[',
  [],
  {},
  [[]],
  [null],
  [1, 2, 3],
  ['a', 'b'],
  { type: 'Sequence' },
  { Regex: '(' },
  { content: 'x' },
  'long '.repeat(400),
];

/** JSON as text: a value replaced, removed, doubled, moved or nested, one to three times; or its bytes damaged. */
export function mutateJson(bytes: Buffer, random: Random): Buffer {
  if (random.next() < 0.15) return mutateBytes(bytes, random);
  let text = bytes.toString();
  const times = random.int(1, 3);
  for (let n = 0; n < times; n++) {
    const tree = JSON.parse(text) as Json;
    const changed = changeTree(tree, random);
    text = JSON.stringify(changed);
  }
  if (random.next() < 0.1) text = doubledKey(text, random);
  if (random.next() < 0.05)
    text = text.replace(/-?\d+(\.\d+)?/, random.pick(['NaN', 'Infinity', '1e999', '-0', '1e400']));
  if (random.next() < 0.03)
    text = text.replace(/:(-?\d|true|false|null)[\w.]*/, `:${'['.repeat(20_000)}${']'.repeat(20_000)}`);
  return Buffer.from(text);
}

/** Objects and lists of a tree, small ones as often as large. */
function containers(tree: Json, found: (Json[] | { [key: string]: Json })[] = []): typeof found {
  if (tree === null || typeof tree !== 'object') return found;
  found.push(tree);
  for (const inner of Object.values(tree)) containers(inner, found);
  return found;
}

function changeTree(tree: Json, random: Random): Json {
  const all = containers(tree);
  if (all.length === 0 || random.next() < 0.01) return random.pick(VALUES);
  // The first ones are the outer settings; the many last ones are merges and the like.
  const at = random.pick(all.slice(0, random.next() < 0.7 ? 40 : all.length));
  const keys = Object.keys(at);
  const key =
    keys.length === 0 ? 'new' : random.pick(keys.length > 40 ? keys.slice(0, 40).concat(keys.slice(-5)) : keys);
  const fields = at as { [key: string]: Json };
  const change = random.int(0, 7);
  if (change <= 2) fields[key] = random.pick(VALUES);
  else if (change === 3) removeAt(at, key);
  else if (change === 4) fields[key] = nested(fields[key] ?? null, random.pick([1, 2, 50]), random);
  else if (change === 5) fields[random.pick(['type', 'id', 'content', 'factor', `${key}x`])] = fields[key] ?? null;
  else if (change === 6) fields[key] = scaled(fields[key] ?? null, random);
  else fields[key] = structuredClone(fields[random.pick(keys.length > 0 ? keys : ['new'])] ?? null);
  return tree;
}

function removeAt(at: Json[] | { [key: string]: Json }, key: string): void {
  if (Array.isArray(at)) at.splice(Number(key) || 0, 1);
  else delete at[key];
}

function nested(value: Json, levels: number, random: Random): Json {
  let outer = value;
  const list = random.next() < 0.5;
  for (let n = 0; n < levels; n++) outer = list ? [outer] : { a: outer };
  return outer;
}

function scaled(value: Json, random: Random): Json {
  if (typeof value === 'number')
    return value * random.pick([-1, 0, 0.5, 2, 3, 10, 1e6, 1e15]) + random.pick([0, 0, 1, -1]);
  if (typeof value === 'string')
    return random.pick([value.slice(1), `${value}${value}`, value.toUpperCase(), ` ${value}`]);
  return typeof value === 'boolean' ? !value : [value];
}

/** The text of one key and its value a second time, with another value. */
function doubledKey(text: string, random: Random): string {
  const keys = [...text.slice(0, 20_000).matchAll(/"[^"\\]*":/g)];
  if (keys.length === 0) return text;
  const { 0: key, index } = random.pick(keys);
  return `${text.slice(0, index)}${key}${JSON.stringify(random.pick(VALUES))},${text.slice(index)}`;
}

const LENGTHS = [0n, 1n, 7n, 255n, 65535n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 40n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** Bits flipped, bytes removed, doubled or overwritten, lengths made absurd, mostly near the beginning, where headers are. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let out: Buffer = Buffer.from(bytes);
  const times = random.int(1, 4);
  for (let n = 0; n < times && out.length > 0; n++) out = damage(out, random);
  return out;
}

function damage(bytes: Buffer, random: Random): Buffer {
  const near = random.next() < 0.7 ? Math.min(bytes.length, 2048) : bytes.length;
  const at = random.int(0, near - 1);
  const count = random.int(1, 64);
  const change = random.int(0, 7);
  if (change === 0) return bytes.subarray(0, at);
  if (change === 1) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
  if (change === 2) return Buffer.concat([bytes.subarray(0, at + count), bytes.subarray(at)]);
  if (change === 3) return bytes.fill(random.pick([0, 0xff, 0x7f]), at, Math.min(at + count, bytes.length));
  if (change === 4 && at + 8 <= bytes.length) bytes.writeBigUInt64LE(random.pick(LENGTHS), at);
  else if (change === 5 && at + 4 <= bytes.length)
    bytes.writeUInt32LE(random.pick([0, 1, 9, 2 ** 31, 2 ** 32 - 1]), at);
  else bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 7));
  return bytes;
}

/** A safetensors file: its JSON header changed, with the length that belongs to it, or its bytes. */
export function mutateSafetensors(bytes: Buffer, random: Random): Buffer {
  if (random.next() < 0.4) return mutateBytes(bytes, random);
  const length = Number(bytes.readBigUInt64LE());
  const header = mutateJson(
    Buffer.from(
      bytes
        .subarray(8, 8 + length)
        .toString()
        .trimEnd(),
    ),
    random,
  );
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([prefix, header, bytes.subarray(8 + length)]);
}

/** A text with its characters damaged. */
export function mutateText(bytes: Buffer, random: Random): Buffer {
  return mutateBytes(bytes, random);
}
