// Questions of sums -> samples of the scripted policy, with labels of half right rollouts.
import { createScriptedBackend } from '../src/backends/scripted.ts';
import { samplePaths } from '../src/method/sample.ts';
import { SampleOptions } from '../src/method/sample-options.ts';
import type { LabelledQuestion } from '../src/method/step-labels.ts';
import type { Sample, StepLabels } from '../src/records.ts';
import { scoreSum, sumQuestion, sumsTask, writeSum } from './scripted-sums.ts';

export const sumsBackend = createScriptedBackend({ write: writeSum, score: scoreSum });

/** The prompt of a sum. */
export const sumPrompt = (question: { readonly question: string }): string => sumsTask.prompt(question);

function labelsOf({ id, questionId, steps, outcome }: Sample): StepLabels {
  const outcomeRight = outcome.kind === 'right';
  const tally = (correct: number, run: number) => ({ correct, run, stop: 'full' as const, impliedBy: null });
  return {
    sampleId: id,
    questionId,
    iteration: 1,
    simulator: 'h',
    K: 4,
    steps: [...steps.slice(0, -1).map(() => tally(2, 4)), tally(Number(outcomeRight), 0)],
    outcomeRight,
    rolloutTokens: 0,
  };
}

/** 30 questions, each with its worked solution and six drawn paths, less duplicates. */
export async function labelledSums(): Promise<LabelledQuestion[]> {
  await using policy = await sumsBackend.openPolicy({ model: 'base' });
  const options = SampleOptions.parse({ samples: 6 });
  const context = { policy, task: sumsTask, prompt: sumPrompt, options, seed: 3, iteration: 1 };
  const items = [];
  for (const question of Array.from({ length: 30 }, (_, i) => sumQuestion('train', i))) {
    const samples: Sample[] = [];
    for await (const sample of samplePaths([question], context)) samples.push(sample);
    const labels = samples.filter(({ source }) => source === 'policy').map(labelsOf);
    items.push({ question, samples, labels });
  }
  return items;
}
