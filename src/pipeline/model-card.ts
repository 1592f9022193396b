// What a model is, and the run that it is from -> the text of its README.md, as model hubs read it.
import { existsSync } from 'node:fs';
import { METHODS, roundsOf } from '../method/methods.ts';
import type { SetReport } from '../reports.ts';
import type { RunModel } from './run-models.ts';
import type { RunView } from './run-reader.ts';

export interface CardArgs {
  /** Title of the page. */
  readonly title: string;
  /** How others find the base; null: unknown. */
  readonly base: string | null;
  /** Whether the files are an adapter (PEFT), not a whole model. */
  readonly isAdapter: boolean;
  readonly isPrm: boolean;
  /** The run and the round that the model is from; null: a model by itself. */
  readonly from:
    | (Pick<RunView, 'config' | 'versions' | 'rounds' | 'final'> & Pick<RunModel, 'iteration' | 'hash'>)
    | null;
}

/** Front matter, what it is, where it is from, and its results with 95 % intervals. */
export function modelCard(args: CardArgs): string {
  const { title, isPrm, from } = args;
  const what = isPrm
    ? 'A process reward model: it gives P(step is correct) at the end of each step of a solution.'
    : 'A language model that reasons step by step.';
  const parts = [frontMatter(args), `# ${title}\n\n${what}`];
  if (isPrm) parts.push(STEP_TAG);
  if (from !== null) parts.push(provenance(from), results(from));
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

const STEP_TAG =
  'With `step_scores.json` beside this file it is a causal LM: write `<|step|>` in place of the line feed that ends each step; ' +
  'the softmax of the logits of `<|good|>` and `<|bad|>` at that token is the score of the step.';

function frontMatter({ base, isAdapter, isPrm, from }: CardArgs): string {
  const lines = [
    `library_name: ${isAdapter ? 'peft' : 'transformers'}`,
    ...(isPrm ? [] : ['pipeline_tag: text-generation']),
    ...(base === null ? [] : [`base_model: ${JSON.stringify(base)}`]),
    ...(base === null || !isAdapter ? [] : ['base_model_relation: adapter']),
    'tags:',
    ...['sipf', 'reasoning', ...(isPrm ? ['process-reward-model'] : []), ...(from ? [from.config.method] : [])].map(
      (tag) => `  - ${tag}`,
    ),
  ];
  return `---\n${lines.join('\n')}\n---`;
}

function provenance({ config, versions, iteration, hash }: NonNullable<CardArgs['from']>): string {
  const { task, method, seed } = config;
  const rounds = roundsOf(METHODS[method], config.iterations);
  const facts = [
    `Method: ${method}, round ${iteration} of ${rounds} (Self-Iterative Process Feedback, arXiv 2412.08393).`,
    `Data: task ${task.name}${task.data === null ? '' : `, ${publicName(task.data)}`}; questions to answer: ${config.evaluate.final.map((set) => `${set.name ?? task.name}/${set.split}`).join(', ') || 'none'}.`,
    `Seed: ${seed}. Hash of the weights: ${hash}.`,
    `Made with ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
  ];
  return `## Where it is from\n\n${facts.map((fact) => `- ${fact}`).join('\n')}`;
}

/** A path of one's own stays one's own. */
const publicName = (data: string): string => (existsSync(data) ? 'a file of its own' : data);

/** Of the final evaluation where it is of this model, else of the round's own. */
function results({ final, rounds, iteration, hash }: NonNullable<CardArgs['from']>): string {
  const tested = final?.rows.find(({ policy }) => policy === hash);
  const sets = tested?.sets ?? rounds.find((round) => round.iteration === iteration)?.report?.sets ?? [];
  if (sets.length === 0) return '';
  const rows = sets.map((set) => `| ${[setName(set), set.n, share(set), soundShare(set), against(set)].join(' | ')} |`);
  return `## Results\n\n| set | questions | right | sound | against ${tested ? 'the start' : 'the round before'} |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n\nGreedy answers; 95 % intervals. Sound: right, and no step is false.`;
}

const setName = ({ task, split }: SetReport): string => `${task}/${split}`;
const share = ({ accuracy, ci95 }: SetReport): string => shareText(accuracy, ci95);
const soundShare = ({ sound }: SetReport): string => (sound === null ? '-' : shareText(sound.value, sound.ci95));
const against = ({ paired }: SetReport): string =>
  paired === null ? '-' : `${points(paired.difference)} (${paired.ci95.map(points).join(' to ')})`;

const shareText = (value: number, [low, high]: readonly [number, number]): string =>
  `${percent(value)} % (${percent(low)}-${percent(high)})`;
const percent = (value: number): string => (100 * value).toFixed(1);
const points = (value: number): string => `${value >= 0 ? '+' : ''}${percent(value)}`;
