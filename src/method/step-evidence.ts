// Paths, a PRM and a policy -> what both say of each step. Leaves weighing it to step-calibration.ts.
import type { Policy, ProcessRewardModel } from '../backend.ts';
import type { Question, Sample } from '../records.ts';
import { type Task, taskOf } from '../task.ts';
import type { BuildPrompt } from './prompt.ts';
import type { StepEvidence } from './step-calibration.ts';

export interface EvidenceContext {
  readonly prm: ProcessRewardModel;
  readonly policy: Policy;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  readonly signal?: AbortSignal | undefined;
}

/** `[path][step]`. Steps are tokenised one by one, as both models were trained to read them. */
export async function stepEvidence(
  paths: readonly { readonly question: Question; readonly sample: Pick<Sample, 'steps'> }[],
  { prm, policy, task, prompt, signal }: EvidenceContext,
): Promise<StepEvidence[][]> {
  const texts = paths.map(({ question, sample }) => ({
    prompt: prompt(question),
    steps: taskOf(task, question).pieces(sample.steps),
  }));
  const scores = await prm.score(texts, { signal });
  const given = texts.map((text) => ({ context: [text.prompt], completion: text.steps }));
  const logps = await policy.logps(given, { signal });
  const lengths = await policy.countTokens(texts.flatMap(({ steps }) => steps));
  let next = 0;
  return texts.map(({ steps }, index) => {
    let from = 0;
    return steps.map((_, j) => {
      const to = from + (lengths[next++] ?? 0);
      const own = { prm: scores[index]?.[j] ?? Number.NaN, logps: (logps[index] ?? []).slice(from, to) };
      from = to;
      return own;
    });
  });
}
