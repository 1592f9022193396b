// A dry run's estimate -> configuration, table of stages, and what the estimate rests on.
import { totalmem } from 'node:os';
import type { Config } from '../../config/schema.ts';
import type { Calibration } from '../../pipeline/estimate.ts';
import { formatDuration } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import type { DryRunEstimate } from './dry-run.ts';
import { renderTable, wrap } from './show-steps.ts';

const GIB = 2 ** 30;
const whole = (value: number) => Math.round(value).toLocaleString('en');
const time = (seconds: number | null) => (seconds === null ? '-' : formatDuration(seconds * 1000));
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Prints all of it on stdout; a memory that this machine has not is a warning. */
export async function printEstimate(
  config: Config,
  result: DryRunEstimate,
  calibration: Calibration | null,
  terminal: Terminal,
): Promise<void> {
  const { colors, columns } = terminal;
  await terminal.print(JSON.stringify(config, null, 2));
  for (const line of renderTable(tableOf(result), colors)) await terminal.print(line);
  for (const line of wrap(describeTotal(result, calibration), columns)) await terminal.print(line);
  const { total, memoryBytes, assumptions } = result;
  if (total.rollouts > 0) for (const line of wrap(describeSuccess(result, config), columns)) await terminal.print(line);
  const memory = totalmem();
  if (memoryBytes > memory)
    terminal.warn(
      `The run needs about ${(memoryBytes / GIB).toFixed(1)} GiB of memory, and this machine has ${(memory / GIB).toFixed(1)}. Lower tokensPerPass or activationsGiB of the training sections, or train with lora.`,
    );
  const named = Object.entries(assumptions).map(([name, value]) => `${name} ${Number(value.toFixed(2))}`);
  await terminal.print(colors.dim(`Assumed: ${named.join(', ')}`));
}

function describeTotal({ total, memoryBytes, unmeasured }: DryRunEstimate, calibration: Calibration | null): string {
  const needs = `${(memoryBytes / GIB).toFixed(1)} GiB of memory and ${total.flops.toExponential(1)} model FLOPs`;
  if (calibration === null)
    return `About ${needs}. No time is estimated, since ${unmeasured ?? 'nothing was measured'}.`;
  const { generatedTokensPerSecond: written, promptTokensPerSecond: read, trainTokensPerSecond: trained } = calibration;
  const { secondsPerGrade } = calibration;
  const graded = secondsPerGrade === 0 ? '' : `, and ${(1 / secondsPerGrade).toFixed(1)} texts/s graded`;
  return (
    `About ${time(total.seconds)}, ${needs}, ` +
    `at ${whole(read)} tokens/s read, ${whole(written)} written and ${whole(trained)} trained on this machine${graded}.`
  );
}

function tableOf({ stages, total }: DryRunEstimate): string[][] {
  const head = ['round', 'stage', 'read', 'written', 'scored', 'trained', 'rollouts', 'steps', 'time'];
  const cells = (cost: DryRunEstimate['total']) =>
    [cost.promptTokens, cost.generatedTokens, cost.scoredTokens, cost.trainTokens, cost.rollouts, cost.trainSteps].map(
      whole,
    );
  const rows = stages.map((stage) => [
    // The control and the final evaluation are of no round.
    /^\d-/.test(stage.stage) ? String(stage.iteration) : '',
    stage.stage,
    ...cells({ ...stage, flops: 0 }),
    time(stage.seconds),
  ]);
  return [head, ...rows, ['', 'all', ...cells(total), time(total.seconds)]];
}

/** What the rollouts rest on, and how far they may be off. */
export function describeSuccess({ success, range, total }: DryRunEstimate, config: Config): string {
  const { p, right, n, questions, ci95, assumed, timedOut, labelled } = success;
  if (assumed !== null || ci95 === null || range === null)
    return `Rollouts: a chance of ${percent(p)} to be right is assumed, since ${assumed ?? 'none was measured'}. All questions and steps are taken as alike.`;
  const tried =
    labelled === null
      ? 'All questions and steps are taken as alike.'
      : `Labels of ${labelled.paths} of these paths took ${whole(labelled.rollouts)} rollouts, and the others are taken as alike.`;
  const later = config.sft.enabled ? ' After the warm-up the model is better, so that fewer are needed.' : '';
  const endless =
    timedOut === 0
      ? ''
      : ` ${timedOut} of these programs did not end within ${config.sandbox.timeout} s (sandbox.timeout).`;
  const [fewest, most] = range.rollouts;
  const [shortest, longest] = range.seconds;
  return (
    `Rollouts: ${right} of ${n} sampled paths of the start model are right (${questions} questions), ${percent(right / n)} (95 %: ${ci95.map(percent).join(' to ')}). ${tried} ` +
    `That makes ${whole(total.rollouts)} (${whole(fewest)} to ${whole(most)}), and ${time(shortest)} to ${time(longest)} in all.${later}${endless}`
  );
}
