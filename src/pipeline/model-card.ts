// What a model is, and the run that it is from -> the text of its README.md, as model hubs read it.
import type { ModelExport } from '../backend.ts';
import { type Yaml, yamlText } from '../io/yaml-text.ts';
import { METHODS, roundsOf } from '../method/methods.ts';
import type { Estimate, ScoreFigures, SetReport } from '../reports.ts';
import type { Task } from '../task.ts';
import type { RunModel } from './run-models.ts';
import type { RunView } from './run-reader.ts';

export interface CardArgs {
  /** Title of the page. */
  readonly title: string;
  readonly to: ModelExport['to'];
  readonly isPrm: boolean;
  /** How others find the base; null: unknown. */
  readonly base: string | null;
  /** As the hub calls it (`apache-2.0`, `gemma`); null: the user has to say it. */
  readonly license: string | null;
  /** The run and the round that the model is from; null: a model by itself. */
  readonly from: CardRun | null;
}

interface CardRun
  extends Pick<RunView, 'config' | 'versions' | 'rounds' | 'final'>,
    Pick<RunModel, 'iteration' | 'hash'> {
  readonly tasks: { named(name: string): Task };
}

/** Front matter, what it is, how to ask it, where it is from, and its results with 95 % intervals. */
export function modelCard(args: CardArgs): string {
  const { title, isPrm, from } = args;
  const what = isPrm
    ? 'A process reward model: it gives P(step is correct) at the end of each step of a solution.'
    : 'A language model that reasons step by step.';
  const results = from === null ? [] : isPrm ? prmResults(from) : policyResults(from);
  const parts = [`---\n${yamlText(frontMatter(args, results))}\n---`, `# ${title}`, what];
  if (from !== null) parts.push(usage(args, from), provenance(from), resultsTable(results, isPrm));
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** A figure of the table, and of the front matter's model-index. */
interface Result {
  readonly task: string;
  readonly set: string;
  readonly split: string;
  /** As the hub calls the metric. */
  readonly type: string;
  readonly name: string;
  readonly figure: NonNullable<Estimate>;
  /** Paired with an earlier policy, in words. */
  readonly against?: string;
}

function frontMatter({ title, to, base, license, isPrm, from }: CardArgs, results: readonly Result[]) {
  const kind = isPrm ? ['process-reward-model'] : [];
  const tags = new Set(['sipf', 'reasoning', ...kind, ...(from === null ? [] : [from.config.method])]);
  const isAdapter = to === 'peft';
  return {
    license: license ?? undefined,
    library_name: isAdapter ? 'peft' : 'transformers',
    pipeline_tag: isPrm ? undefined : 'text-generation',
    base_model: base ?? undefined,
    base_model_relation: base === null ? undefined : isAdapter ? 'adapter' : 'finetune',
    datasets: from === null ? [] : trainSets(from),
    metrics: [...new Set(results.map(({ type }) => type))],
    tags: [...tags],
    'model-index': results.length === 0 ? [] : [{ name: title, results: results.map(indexEntry) }],
  };
}

/** Data sets of the hub that the run trained on. */
function trainSets({ config, tasks }: CardRun): string[] {
  if (config.task.data !== null) return [];
  const task = tasks.named(config.task.name);
  return (task.members ?? [task]).flatMap(({ hubName }) => hubName ?? []);
}

function indexEntry({ task, set, split, type, name, figure }: Result): Yaml {
  const [low, high] = figure.ci95.map((end) => end.toFixed(4));
  return {
    task: { type: 'text-generation' },
    dataset: { name: `${task}/${split}`, type: set, split },
    metrics: [
      {
        type,
        name: `${name} (${figure.n} questions, 95 % interval ${low} to ${high})`,
        value: Number(figure.value.toFixed(4)),
      },
    ],
  };
}

/** Of the final evaluation where it is of this model, else of the round's own. */
function policyResults({ final, rounds, iteration, hash, tasks }: CardRun): Result[] {
  const tested = final?.rows.find(({ policy }) => policy === hash);
  const sets = tested?.sets ?? rounds.find((round) => round.iteration === iteration)?.report?.sets ?? [];
  return sets.flatMap((set) => resultsOf(set, tasks.named(set.task), tested ? 'the start' : 'the round before'));
}

function resultsOf(set: SetReport, { name: task, hubName, gradedBy }: Task, other: string): Result[] {
  const { split, n, accuracy, ci95, sound, paired } = set;
  const of = { task, set: hubName ?? task, split };
  const type = gradedBy === 'tests' ? 'pass@1' : 'accuracy';
  const against = paired && `${points(paired.difference)} (${paired.ci95.map(points).join(' to ')}) against ${other}`;
  const right = { ...of, type, name: 'right', figure: { value: accuracy, ci95, n }, ...(against && { against }) };
  return sound === null ? [right] : [right, { ...of, type, name: 'right, and no step is false', figure: sound }];
}

/** Of the scorer of the round, on labelled steps of questions that trained no process reward model. */
function prmResults({ rounds, iteration, config, tasks }: CardRun): Result[] {
  const figures = rounds.find((round) => round.iteration === iteration)?.report?.scores ?? null;
  const task = tasks.named(config.task.name);
  if (figures === null) return [];
  const of = { task: task.name, set: task.hubName ?? task.name, split: 'train' };
  return PRM_FIGURES.flatMap(([type, name, read]) => {
    const figure = read(figures);
    return figure === null ? [] : [{ ...of, type, name, figure }];
  });
}

const PRM_FIGURES: readonly (readonly [type: string, name: string, read: (figures: ScoreFigures) => Estimate])[] = [
  ['accuracy', 'steps on the right side of 0.5', ({ stepAccuracy }) => stepAccuracy],
  ['f1', 'first wrong step found (F1, as ProcessBench)', ({ firstErrorF1 }) => firstErrorF1],
  ['roc_auc', 'right paths above wrong ones of the same question', ({ aucOutcome }) => aucOutcome.scores],
];

/** The text that the model continues, or reads; of a mixture, as its first task asks. */
function usage({ to, isPrm }: CardArgs, { config, tasks }: CardRun): string {
  const { style, shots, instruction } = config.prompt;
  const named = tasks.named(config.task.name);
  const [task = named] = named.members ?? [];
  const plain = task.prompt({ question: 'QUESTION' });
  const asked =
    style === 'plain' ? plain : `(its chat template around:)\n${instruction ?? task.instruction}\n\nQUESTION\n`;
  const steps = isPrm ? task.pieces(['STEP 1', 'STEP 2']).join('') : '';
  const read = to === 'prm-lm' ? steps.replaceAll('\n', '<|step|>') : steps;
  const examples = shots === 0 ? '' : `\n\n${shots} worked examples go before the question.`;
  return `## How to ask it\n\n\`\`\`\n${asked}${read.trimEnd()}\n\`\`\`${examples}${to === 'prm-lm' ? STEP_TAG : ''}`;
}

const STEP_TAG =
  '\n\n`<|step|>` is in place of the line feed that ends each step. The softmax of the logits of `<|good|>` and `<|bad|>` there is the ' +
  'score of the step. `step_scores.json` has the ids.';

function provenance({ config, versions, iteration, hash }: CardRun): string {
  const { task, method, seed } = config;
  const rounds = roundsOf(METHODS[method], config.iterations);
  const tests = config.evaluate.final.map((set) => `${set.name ?? task.name}/${set.split}`);
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const facts = [
    `Method: ${method}, round ${iteration} of ${rounds} (Self-Iterative Process Feedback, arXiv 2412.08393).`,
    `Data: task ${task.name}${task.data === null ? '' : ', from files'}; test sets: ${tests.join(', ') || 'none'}.`,
    `Seed: ${seed}. Hash of the weights: ${hash}.`,
    `Made with ${made.join(', ')}.`,
  ];
  return `## Where it is from\n\n${facts.map((fact) => `- ${fact}`).join('\n')}`;
}

function resultsTable(results: readonly Result[], isPrm: boolean): string {
  if (results.length === 0) return '';
  const rows = results.map(({ task, split, name, figure, against = '-' }) => {
    const { value, ci95, n } = figure;
    return `| ${[`${task}/${split}`, name, n, `${percent(value)} % (${ci95.map(percent).join('-')})`, against].join(' | ')} |`;
  });
  const note = isPrm
    ? 'On labelled steps of questions that trained no process reward model, by the scorer of the run; 95 % intervals.'
    : 'Greedy answers; 95 % intervals.';
  return `## Results\n\n| set | figure | questions | value | difference |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n\n${note}`;
}

const percent = (value: number): string => (100 * value).toFixed(1);
const points = (value: number): string => `${value >= 0 ? '+' : ''}${percent(value)}`;
