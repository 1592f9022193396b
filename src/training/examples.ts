// Training examples as texts -> token ids, each a prompt and the branches that continue it.
import type { TrainExample } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { resultTokens } from '../models/tokenizer/result-tokens.ts';
import { stepTokens } from '../models/tokenizer/step-tokens.ts';
import { endId, type Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { OBJECTIVES, type Objective } from '../objectives/objectives.ts';

/** A step's last token in a PRM example and what the model should say there. */
interface StepEnd {
  /** Index in the branch. */
  readonly at: number;
  /** P(correct) to learn, in [0, 1]. */
  readonly target: number;
}

/** One example as the model reads it: every branch follows the prompt and sees nothing of the other branches. */
export interface TokenExample {
  /** Index in TrainJob.examples. */
  readonly index: number;
  readonly prompt: readonly number[];
  /** SFT: the completion. Preferences: chosen, and rejected where there is one. PRM: the path. */
  readonly branches: readonly (readonly number[])[];
  /** By branch and token: it carries no loss. Absent: each carries it. */
  readonly silent?: readonly (readonly boolean[])[];
  /** PRM only: steps with a target. */
  readonly stepEnds: readonly StepEnd[];
  /** The reference policy's log-probability of each branch; empty where the objective needs none. */
  readonly reference: readonly number[];
}

type Tokens = Omit<TokenExample, 'reference'>;

type Encoder = Pick<Tokenizer, 'encode' | 'encodeContinuation' | 'eosIds'>;

/** The examples with no loss on results that a calculator would write. */
export function withoutResults(
  examples: readonly TokenExample[],
  tokenizer: Pick<Tokenizer, 'stream'>,
): TokenExample[] {
  return examples.map((example) => ({
    ...example,
    silent: example.branches.map((ids) => resultTokens(ids, tokenizer)),
  }));
}

/** Tokens that are run: the prompt once. */
export function tokensOf({ prompt, branches }: Tokens): number {
  return branches.reduce((sum, branch) => sum + branch.length, prompt.length);
}

/** Positions that are used: the prompt and the longest branch. */
export function reachOf({ prompt, branches }: Tokens): number {
  return prompt.length + Math.max(...branches.map((branch) => branch.length));
}

/**
 * @returns examples within `maxLength` tokens a sequence, and the indices of the longer ones.
 * @throws SipfError 'bad-input' naming the example that does not suit the objective; 'nothing-left' where all are too long.
 */
export function tokenise(
  examples: readonly TrainExample[],
  objective: Objective['kind'],
  tokenizer: Encoder,
  maxLength: number,
): { kept: TokenExample[]; dropped: number[] } {
  const kept: TokenExample[] = [];
  const dropped: number[] = [];
  const { example: kind, needsReference } = OBJECTIVES[objective];
  examples.forEach((example, index) => {
    if (example.kind !== kind)
      throw bad(index, `an example of kind ${kind} for ${objective}`, example.kind, 'Give matching rows');
    const tokens = tokeniseOne(example, index, tokenizer);
    if (reachOf(tokens) > maxLength) dropped.push(index);
    else kept.push({ ...tokens, reference: needsReference ? referenceOf(example, index) : [] });
  });
  if (kept.length > 0) return { kept, dropped };
  throw new SipfError(
    'nothing-left',
    `Expected examples of at most ${maxLength} tokens, got ${dropped.length} longer ones and no other. Raise maxLength, if the model's context allows, or give shorter examples.`,
  );
}

/** A row without a rejected path is compared with nothing and needs no reference. */
function referenceOf(example: TrainExample, index: number): number[] {
  if (example.kind !== 'preference' || example.rejected === null) return [];
  const { chosen, rejected } = example.reference ?? {};
  if (chosen !== undefined && rejected !== undefined) return [chosen, rejected];
  throw bad(index, "the reference policy's log-probabilities of both paths", 'none', 'Compute them with logps first');
}

function tokeniseOne(example: TrainExample, index: number, tokenizer: Encoder): Tokens {
  const prompt = tokenizer.encode(example.prompt);
  if (example.kind === 'prm') return prmExample(example, index, prompt, tokenizer);
  const ended = (pieces: readonly string[]) => [...continuation(pieces, tokenizer), endId(tokenizer)];
  if (example.kind === 'sft') return { index, prompt, branches: [ended(example.completion)], stepEnds: [] };
  const { shared = [], chosen, rejected } = example;
  const sides = rejected === null ? [chosen] : [chosen, rejected];
  return { index, prompt: [...prompt, ...continuation(shared, tokenizer)], branches: sides.map(ended), stepEnds: [] };
}

function continuation(pieces: readonly string[], tokenizer: Encoder): number[] {
  return pieces.flatMap((piece) => tokenizer.encodeContinuation(piece));
}

function prmExample(
  { steps, targets }: Extract<TrainExample, { kind: 'prm' }>,
  index: number,
  prompt: readonly number[],
  tokenizer: Encoder,
): Tokens {
  if (steps.length !== targets.length)
    throw bad(
      index,
      `${steps.length} targets, one a step,`,
      String(targets.length),
      'Label every step (null: unknown)',
    );
  const branch: number[] = [];
  const stepEnds: StepEnd[] = [];
  steps.forEach((step, n) => {
    const ids = stepTokens(step, tokenizer.encodeContinuation);
    const target = targets[n] ?? null;
    if (ids.length === 0) throw bad(index, `text in step ${n}`, JSON.stringify(step), 'Leave empty steps out');
    branch.push(...ids);
    if (target === null) return;
    if (!(target >= 0 && target <= 1))
      throw bad(index, `a target in [0, 1] for step ${n}`, String(target), 'Correct it');
    stepEnds.push({ at: branch.length - 1, target });
  });
  return { index, prompt, branches: [branch], stepEnds };
}

function bad(index: number, expected: string, got: string, advice: string): SipfError {
  return new SipfError('bad-input', `Expected ${expected} in training example ${index}, got ${got}. ${advice}.`);
}
