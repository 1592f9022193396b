// Another checkout -> the artefacts that its build and this one write differently here.
//
//   node test/oracle/compare.mjs OTHER_CHECKOUT [--tier real|fast] [--only CASE ...] [--keep FOLDER]
//
// Both need a build (npm run build). Ends with 1 where anything differs. --keep keeps what both wrote in FOLDER/this and FOLDER/other.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hashesOf } from './hash.mjs';
import { here } from './world.mjs';

const text = { type: 'string' };
const { values, positionals } = parseArgs({
  options: { tier: text, keep: text, only: { ...text, multiple: true } },
  allowPositionals: true,
});
const { tier = 'real', only, keep } = values;
const [other] = positionals;
if (other === undefined) throw new Error('Expected another checkout, got none. Name its folder.');

/** Path -> hash. */
async function hashes(name, root) {
  const cli = join(root, 'dist', 'cli', 'main.js');
  const tell = (line) => console.error(`${name}: ${line}`);
  const lines = await hashesOf({ tier, cli, only, keep: keep && join(keep, name), tell });
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

const mine = await hashes('this', join(here, '..', '..'));
const theirs = await hashes('other', other);
const paths = [...new Set([...mine.keys(), ...theirs.keys()])].sort();
const different = paths.filter((path) => mine.get(path) !== theirs.get(path));
for (const path of different) {
  const how = !mine.has(path) ? 'only in the other' : !theirs.has(path) ? 'only in this' : 'other bytes';
  console.log(`${how}  ${path}`);
}
console.log(`${different.length} of ${paths.length} artefacts differ.`);
process.exitCode = different.length === 0 ? 0 : 1;
