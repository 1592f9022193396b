// A run's policy and samples of a task with true steps -> what each kind of labels says of them.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Policy } from '#sipf/backend.js';
import { openBackend, parseConfig, readRecords, taskOf } from '#sipf/index.js';
import { choosePaths } from '#sipf/method/choose-paths.js';
import type { QuestionPaths } from '#sipf/method/context-length.js';
import { spoiledSteps } from '#sipf/method/exact-checks.js';
import { labelUnit } from '#sipf/method/label.js';
import type { LabelOptions } from '#sipf/method/label-options.js';
import { hardLabels, softLabels } from '#sipf/method/step-labels.js';
import { createRandom } from '#sipf/random.js';
import { Question, Sample } from '#sipf/records.js';
import type { Counts } from '#sipf/reports.js';
import { withinGroupAuc } from '#sipf/statistics/auc.js';
import { mean, sum } from '#sipf/statistics/intervals.js';
import type { Task } from '#sipf/task.js';
import { openTasks } from '#sipf/tasks/index.js';

const USE = `Use: node scripts/tool.mjs experiments/labels/agreement --run RUN [--paths N] [--task mini] [--threads N]

Labels the paths of a run's first round in several ways, with the policy that drew them (and its calculator), and compares each with the true steps.`;

/** How steps are labelled: by stage 2 with these settings, or without any model. */
const KINDS: Readonly<Record<string, Partial<LabelOptions> | 'equations' | 'outcome'>> = {
  'MC-8': { K: 8, mode: 'full' },
  'MC-4': { K: 4, mode: 'full' },
  'MC-4, scan': { K: 4, mode: 'first-success' },
  'MC-4, exact checks': { K: 4, mode: 'full', exactChecks: true },
  'gold-likelihood': { mode: 'gold-likelihood' },
  'gold-likelihood, exact checks': { mode: 'gold-likelihood', exactChecks: true },
  'exact checks alone': 'equations',
  outcome: 'outcome',
};

/** What one kind says of a path: hard labels and values in [0, 1] of its steps but the last. */
interface Said {
  readonly hard: readonly boolean[];
  readonly soft: readonly number[];
}

interface Labelled {
  readonly said: ReadonlyMap<string, Said>;
  readonly counts: Counts;
}

interface Setting {
  readonly calculator: boolean;
  readonly items: readonly QuestionPaths[];
  readonly task: Task;
  readonly policy: Policy;
}

async function labelled(kind: string, { calculator, items, task, policy }: Setting): Promise<Labelled> {
  const change = KINDS[kind]!;
  if (typeof change === 'string') {
    const said = new Map<string, Said>();
    for (const { question, samples } of items)
      for (const { id, steps, outcome } of samples) {
        const isRight = outcome.kind === 'right';
        const spoiled = change === 'outcome' ? steps.map(() => !isRight) : spoiledSteps(task, question, steps);
        const hard = spoiled.slice(0, -1).map((isSpoiled) => !isSpoiled);
        said.set(id, { hard, soft: hard.map(Number) });
      }
    return { said, counts: {} };
  }
  const { labels } = parseConfig({ labels: { ...change, calculator, lookahead: 1 } });
  const context = { simulator: policy, task, prompt: task.prompt, options: labels, seed: 0, iteration: 1 };
  const { records, counts } = await labelUnit(items, context);
  const said = records.map((record) => {
    const hard = hardLabels(record, labels).slice(0, -1);
    const soft = labels.mode === 'first-success' ? hard.map(Number) : softLabels(record).slice(0, -1);
    return [record.sampleId, { hard, soft }] as const;
  });
  return { said: new Map(said), counts };
}

/** A line of the table. Steps are all but the last of a path, which the outcome labels. */
function rowOf(kind: string, { said, counts }: Labelled, { items, task }: Setting): string {
  const paths = items.map(({ question, samples }) =>
    samples.flatMap(({ id, steps }) => {
      const own = said.get(id);
      const truth = taskOf(task, question).trueSteps?.(question, steps) ?? null;
      return own === undefined || truth === null || truth.length < 2
        ? []
        : [{ ...own, truth: truth.slice(0, -1), whole: truth }];
    }),
  );
  const all = paths.flat();
  const agreed = all.flatMap(({ hard, truth }) => hard.map((label, j) => label === truth[j]));
  const first = all.map(({ hard, truth }) => hard.indexOf(false) === truth.indexOf(false));
  const random = () => ({ random: createRandom('agreement') });
  const pathAuc = withinGroupAuc(
    paths.map((own) => own.map(({ soft, whole }) => ({ score: mean(soft), positive: whole.every(Boolean) }))),
    random(),
  );
  const stepAuc = withinGroupAuc(
    paths.map((own) => own.flatMap(({ soft, truth }) => soft.map((score, j) => ({ score, positive: truth[j]! })))),
    random(),
  );
  const { promptTokens = 0, generatedTokens = 0, scoredTokens = 0 } = counts;
  const cells = [
    kind,
    `${percent(share(agreed))} %`,
    `${percent(share(first))} %`,
    ...[stepAuc, pathAuc].map((auc) =>
      auc === null ? '-' : `${auc.value.toFixed(3)} (${auc.ci95.map((end) => end.toFixed(3)).join(' to ')})`,
    ),
    ...[promptTokens + scoredTokens, generatedTokens].map((tokens) => (tokens / Math.max(1, said.size)).toFixed(1)),
  ];
  return `| ${cells.join(' | ')} |`;
}

const share = (found: readonly boolean[]): number => sum(found.map(Number)) / Math.max(1, found.length);
const percent = (value: number): string => (100 * value).toFixed(1);

/** The paths of round 1, half right and half wrong, with their questions. */
async function pathsOf(run: string, count: number): Promise<QuestionPaths[]> {
  const samples: Sample[] = [];
  for await (const sample of readRecords(`${run}/iteration-1/1-samples.jsonl`, Sample)) samples.push(sample);
  const chosen = choosePaths(samples, count, 'agreement');
  const items: QuestionPaths[] = [];
  for await (const question of readRecords(`${run}/iteration-0/0-questions.jsonl`, Question)) {
    const own = samples.filter(({ id, questionId }) => questionId === question.id && chosen.has(id));
    if (own.length > 0) items.push({ question, samples: own });
  }
  return items;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      run: { type: 'string' },
      paths: { type: 'string', default: '600' },
      task: { type: 'string', default: 'mini' },
      threads: { type: 'string', default: '1' },
    },
  });
  const { run, paths, task: name, threads } = values;
  if (run === undefined) return console.log(USE);
  await using tasks = openTasks({});
  const task = tasks.named(name);
  await using backend = await openBackend({ threads: Number(threads) });
  await using policy = await backend.openPolicy({ model: `${run}/iteration-0/6-policy` });
  const stored = JSON.parse(readFileSync(`${run}/config.json`, 'utf8')) as { config: object };
  const { calculator = false } = parseConfig(stored.config).labels;
  const setting = { calculator, items: await pathsOf(run, Number(paths)), task, policy };
  console.log('| labels | step agreement | first error | step AUC | path AUC | read tokens a path | drawn |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const kind of Object.keys(KINDS)) console.log(rowOf(kind, await labelled(kind, setting), setting));
}

await main();
