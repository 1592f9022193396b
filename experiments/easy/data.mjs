// Files of easy word problems -> train, valid and test files that share no question.
//
//   node experiments/easy/data.mjs EASY MULTIARITH OUT
//
// EASY: folder with train.jsonl, valid.jsonl, test.jsonl of {id, question, answer, solution}.
// MULTIARITH: MultiArith.json (Roy and Roth 2015), most of whose problems are in MAWPS, so in EASY, too.
// test.jsonl: EASY's test problems and all of MultiArith. What is in it goes from train and valid.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [easy, multiArith, out] = process.argv.slice(2);
if (out === undefined) throw new Error('Expected three paths: EASY MULTIARITH OUT.');

const lines = (name) =>
  readFileSync(join(easy, `${name}.jsonl`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const keyOf = ({ question }) =>
  question
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();

/** The first of each question that `taken` does not hold; `taken` grows. */
function fresh(rows, taken) {
  return rows.filter((row) => {
    const key = keyOf(row);
    if (taken.has(key)) return false;
    taken.add(key);
    return true;
  });
}

const multi = JSON.parse(readFileSync(multiArith, 'utf8')).map(({ iIndex, sQuestion, lSolutions }) => ({
  id: `multiarith-${iIndex}`,
  question: sQuestion.trim(),
  answer: String(lSolutions[0]),
}));
const taken = new Set();
const test = fresh([...lines('test').map(({ solution, ...rest }) => rest), ...multi], taken);
const valid = fresh(lines('valid'), taken);
const train = fresh(lines('train'), taken);
mkdirSync(out, { recursive: true });
for (const [name, rows] of Object.entries({ train, valid, test })) {
  writeFileSync(join(out, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  console.log(`${name}: ${rows.length}`);
}
