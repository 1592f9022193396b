// ProcessBench or verify-then-generate as published -> JSONL that `sipf score --in` reads.
//
//   node experiments/first-errors/data.mjs FILE.json > paths.jsonl
//
// A row is {id, problem, steps, label}.
// Of verify-then-generate (students' wrong solutions) the reference solutions are the right paths.
import { readFileSync } from 'node:fs';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('Expected a JSON file.');

const stepsOf = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const paths = JSON.parse(readFileSync(file, 'utf8')).flatMap((item, i) => {
  const { id, problem, steps, label, student_incorrect_solution: student, incorrect_index: first } = item;
  if (steps !== undefined) return [{ id, problem, steps, label }];
  return [
    { id: `wrong-${i}`, problem, steps: student.map((step) => step.trim()), label: first },
    { id: `right-${i}`, problem, steps: stepsOf(item.reference_solution), label: -1 },
  ];
});
for (const path of paths) console.log(JSON.stringify(path));
