// vitest's JSON report -> one line of counts, after the name of each skipped test.
import { readFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
if (path === undefined) {
  console.error('Usage: node scripts/test-summary.mjs REPORT.json');
  process.exit(2);
}
const report = JSON.parse(readFileSync(path, 'utf8'));
const skipped = report.testResults.flatMap(({ assertionResults }) =>
  assertionResults.filter(({ status }) => status === 'pending' || status === 'skipped' || status === 'todo'),
);
for (const { fullName } of skipped) console.log(`skipped: ${fullName}`);
// A file that fails to load has no assertions: it counts as one failure.
const broken = report.testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
);
console.log(
  `tests: ${report.numPassedTests} passed, ${report.numFailedTests + broken.length} failed, ${skipped.length} skipped`,
);
