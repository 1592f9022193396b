// Math-Verify's tests -> how many cases the task math grades alike: measure.mjs PATH [--all]
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { taskNamed } from '../../dist/tasks/index.js';
import { isOneNumber } from '../../dist/tasks/math/formulas/same-math.js';

const here = dirname(fileURLToPath(import.meta.url));
const [tests, all] = process.argv.slice(2);
const listed = spawnSync('python3', [join(here, 'cases.py'), tests ?? ''], { encoding: 'utf8', maxBuffer: 2 ** 26 });
if (listed.status !== 0 || listed.stdout === '') {
  console.error(`Expected Math-Verify's tests folder, got ${tests ?? 'none'}. ${listed.stderr}`);
  process.exit(2);
}
const task = taskNamed('math');
const counts = { all: [0, 0], numeric: [0, 0], numericReference: [0, 0], wrongCalledRight: 0 };
for (const line of listed.stdout.trim().split('\n')) {
  const { id, reference, completion, expected } = JSON.parse(line);
  const answer = task.reference(reference) ?? '';
  const { extracted, outcome } = await task.grade({ answer }, completion, 'stop');
  const isRight = outcome.kind === 'right';
  const agrees = isRight === expected;
  const isReference = isOneNumber(answer);
  const isNumeric = isReference && extracted !== null && isOneNumber(extracted);
  for (const name of ['all', ...(isReference ? ['numericReference'] : []), ...(isNumeric ? ['numeric'] : [])]) {
    counts[name][0] += agrees ? 1 : 0;
    counts[name][1] += 1;
  }
  if (isRight && !expected) counts.wrongCalledRight += 1;
  if (!agrees || all === '--all') {
    console.error(
      `${agrees ? 'same' : 'DIFFERS'} ${id}: ${JSON.stringify(answer.slice(0, 160))} and ${JSON.stringify(extracted)} are ${isRight ? 'right' : 'wrong'} here`,
    );
  }
}
const share = ([agreed, of]) => ({ agreed, of, percent: Number(((100 * agreed) / of).toFixed(1)) });
console.log(
  JSON.stringify({
    numeric: share(counts.numeric),
    numericReference: share(counts.numericReference),
    all: share(counts.all),
    wrongCalledRight: counts.wrongCalledRight,
  }),
);
await task[Symbol.asyncDispose]?.();
