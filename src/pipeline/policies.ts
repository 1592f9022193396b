// The loop's training stages on a run directory: warm-up, PRM and alignment. Leaves the optimizer to the backend and the rows to train-prm.ts and align.ts.
import type { TrainExample } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { keyedSeed } from '../hashing.ts';
import { readRecords } from '../io/jsonl.ts';
import { alignRows, goldRows } from '../method/align-rows.ts';
import { needs } from '../method/methods.ts';
import { checkPrmRows, prmRows } from '../method/prm-rows.ts';
import { countExampleTokens, stepsForTokens, type TrainSettings, trainOptions } from '../method/train-settings.ts';
import type { Objective } from '../objectives/objectives.ts';
import { type Checkpoint, PreferencePair } from '../records.ts';
import { type Counts, Trained } from '../reports.ts';
import type { StageName } from '../run/marker.ts';
import { checkpointOf } from './models.ts';
import { everything, type Loop, labelInputs, sourceIn, stageOf } from './stages.ts';

interface Rows {
  readonly examples: readonly TrainExample[];
  readonly objective: Objective;
  readonly counts: Counts;
  readonly warnings?: readonly string[];
}

interface TrainArgs {
  readonly stage: StageName;
  /** Folder in the stage's folder. */
  readonly output: string;
  readonly start: Checkpoint;
  readonly settings: TrainSettings;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly rows: () => Promise<Rows> | Rows;
}

/** M_0 = SFT(base, D_org); the base itself where the warm-up is off. */
export async function warmUp(loop: Loop, base: Checkpoint): Promise<Trained> {
  const { config, questions } = loop;
  const { sft, seed } = config;
  if (!sft.enabled) return { checkpoint: base, steps: 0, trainTokens: 0, examples: 0, dropped: 0, counts: {} };
  const rows = (): Rows => {
    const examples = goldRows(questions, sft.rows, `sft/${seed}`, loop);
    if (examples.length === 0) {
      throw new SipfError(
        'nothing-left',
        `Expected worked solutions for the warm-up in ${loop.task.name}, got ${questions.length} questions without one. Set sft.enabled false and give examples with prompt.shots or prompt.style chat.`,
      );
    }
    return { examples, objective: { kind: 'sft', scope: sft.scope }, counts: { gold: examples.length } };
  };
  const inputs = { data: loop.data, options: { rows: sft.rows, scope: sft.scope } };
  return train(loop, {
    stage: stageOf(0, '6-policy'),
    output: '6-policy',
    start: base,
    settings: sft.train,
    inputs,
    rows,
  });
}

/** 3: a PRM from all labels so far, started from the current policy or the configured verifier. */
export async function trainPrm(loop: Loop, k: number, policy: Checkpoint): Promise<Trained> {
  const { config, task, prompt, run } = loop;
  const { labels, prm } = config;
  const stage = stageOf(k, '3-prm');
  const rule = { delta: labels.delta, closure: labels.closure, ownWitness: labels.ownWitness };
  const calibrates = needs(loop.method, config.score.scorer).calibration;
  const rows = async (): Promise<Rows> => {
    const labelled = everything(loop, k, { labels: true });
    const found = await prmRows(labelled, {
      task,
      prompt,
      targets: prm.targets,
      rule,
      gold: prm.gold,
      heldOut: labels.heldOut,
      calibrates,
    });
    const warnings = checkPrmRows(found);
    for (const warning of warnings) run.warn(warning, stage);
    return { examples: found.examples, objective: { kind: 'prm' }, counts: { ...found.counts } };
  };
  const inputs = {
    data: loop.data,
    options: { targets: prm.targets, gold: prm.gold, heldOut: labels.heldOut, calibrates, rule },
    ...(await labelInputs(loop, k)),
  };
  return train(loop, { stage, output: '3-prm', start: loop.verifier ?? policy, settings: prm.train, inputs, rows });
}

export interface Starts {
  readonly base: Checkpoint;
  readonly sft: Checkpoint;
  readonly previous: Checkpoint;
}

/** 6: the next policy, by ORPO on the pairs (or SFT on right samples or gold rows, as the method says). */
export async function align(loop: Loop, k: number, starts: Starts): Promise<Trained> {
  const { config, method, questions, run } = loop;
  const { align: options, sft, seed } = config;
  const usesPairs = method.align !== 'gold';
  const file = run.path(`iteration-${k}`, '5-pairs.jsonl');
  const rows = async (): Promise<Rows> => {
    const pairs: PreferencePair[] = [];
    if (usesPairs) for await (const record of readRecords(file, PreferencePair)) pairs.push(record);
    return alignRows({ ...loop, method, pairs, questions, options, scope: sft.scope, key: `${seed}/${k}` });
  };
  const { train: settings, start, ...rest } = options;
  const inputs = {
    data: loop.data,
    options: { ...rest, scope: sft.scope, align: method.align },
    pairs: usesPairs ? await run.outputHash(stageOf(k, '5-pairs'), '5-pairs.jsonl') : null,
  };
  return train(loop, {
    stage: stageOf(k, '6-policy'),
    output: '6-policy',
    start: starts[start],
    settings,
    inputs,
    rows,
  });
}

/** The control: the warm-up policy trained on gold rows for `tokens` optimizer tokens, with the alignment's settings. */
export async function continuedSft(loop: Loop, start: Checkpoint, tokens: number): Promise<Trained> {
  const { config, questions } = loop;
  const rows = (): Rows => {
    const examples = goldRows(questions, null, 'control', loop);
    if (examples.length === 0)
      throw new SipfError(
        'nothing-left',
        'Expected worked solutions for the continued-sft control, got none. Set evaluate.control none.',
      );
    return { examples, objective: { kind: 'sft', scope: config.sft.scope }, counts: { gold: examples.length } };
  };
  const settings = { ...config.align.train, tokens };
  const stage = { folder: 'final', name: 'continued-sft', iteration: 0 };
  const inputs = { data: loop.data, options: { scope: config.sft.scope } };
  return train(loop, { stage, output: 'continued-sft', start, settings, inputs, rows });
}

async function train(loop: Loop, { stage, output, start, settings, inputs, rows }: TrainArgs): Promise<Trained> {
  const { run, backend, config, outside } = loop;
  const seed = keyedSeed(config.seed, stage.name, stage.iteration);
  const body = async (): Promise<Trained> => {
    const { examples, objective, counts } = await rows();
    const source = sourceIn(loop, start);
    const options = trainOptions(settings, objective, seed, await maxStepsFor(loop, start, examples, settings));
    const result = await backend.train(
      { source, examples, options, out: run.path(stage.folder, output) },
      (step) => {
        run.onProgress({
          stage: stage.name,
          iteration: stage.iteration,
          done: step.step + 1,
          total: step.steps,
          unit: 'steps',
        });
        run.log({ type: 'train-step', stage: stage.name, iteration: stage.iteration, data: { ...step } });
      },
      { signal: run.signal },
    );
    if (result.hash === start.hash) {
      throw new SipfError(
        'no-change',
        `Expected ${stage.folder}/${stage.name} to change the model, got the very weights it started from. Raise the learning rate or the number of steps.`,
      );
    }
    reportDropped(loop, stage, examples.length, result.dropped.length, settings.maxLength);
    return {
      checkpoint: checkpointOf(run.dir, outside, result.source, result.hash),
      steps: result.steps.at(-1)?.steps ?? 0,
      trainTokens: result.tokens,
      examples: examples.length,
      dropped: result.dropped.length,
      counts: { ...counts },
    };
  };
  const all = { ...inputs, start: start.hash, train: settings, seed };
  return run.once({ stage, inputs: all, outputs: [output], result: Trained, body });
}

async function maxStepsFor(
  loop: Loop,
  start: Checkpoint,
  examples: readonly TrainExample[],
  settings: TrainSettings,
): Promise<number | null> {
  if (settings.tokens === null) return settings.maxSteps;
  await using policy = await loop.backend.openPolicy(sourceIn(loop, start));
  const rowTokens = await countExampleTokens(examples, (texts) => policy.countTokens(texts));
  return stepsForTokens(settings.tokens, examples.length, rowTokens, settings.batchSize);
}

function reportDropped({ run }: Loop, stage: StageName, examples: number, dropped: number, maxLength: number): void {
  if (dropped === 0) return;
  if (dropped === examples) {
    throw new SipfError(
      'nothing-left',
      `Expected rows of at most ${maxLength} tokens for ${stage.folder}/${stage.name}, got ${dropped} longer ones and no other. Raise its train.maxLength.`,
    );
  }
  run.warn(
    `${dropped} of ${examples} rows are longer than ${maxLength} tokens and were left out of ${stage.folder}/${stage.name}. Raise its train.maxLength to keep them.`,
    stage,
  );
}
