// What may be asked of the engine's thread: the Backend port as messages. Types only.
import type {
  Completion,
  GenerateRequest,
  GenerateStats,
  ModelFacts,
  ModelInit,
  Policy,
  StepPath,
  TrainJob,
  TrainResult,
} from '../../backend.ts';
import type { ModelSource } from '../../records.ts';
import type { InProcessOptions } from './in-process.ts';

/** What the thread is started with. */
export type WorkerData = InProcessOptions;

/** An open model is named by a number. */
interface Held<T> {
  readonly handle: number;
  readonly argument: T;
}

/** What is known of a model once it is open. */
interface Opened extends Pick<Policy, 'hash' | 'contextLength' | 'warnings'> {
  readonly handle: number;
}

type LogpItem = Parameters<Policy['logps']>[0][number];
type Message = Parameters<Policy['chatPrompt']>[0][number];

/** Method -> [argument, result]. `generate` asks with Completion[] and is answered with GenerateRequest[], and tells DrawnText[] where asked to; `train` tells TrainSteps. */
export type WorkerCalls = {
  openPolicy: readonly [ModelSource, Opened];
  openPrm: readonly [ModelSource, Opened];
  generate: readonly [Held<readonly GenerateRequest[]> & { readonly tellsText: boolean }, GenerateStats];
  logps: readonly [Held<readonly LogpItem[]>, number[][]];
  chatPrompt: readonly [Held<readonly Message[]>, string];
  countTokens: readonly [Held<readonly string[]>, number[]];
  score: readonly [Held<readonly StepPath[]>, number[][]];
  release: readonly [number, null];
  train: readonly [TrainJob, TrainResult];
  facts: readonly [ModelSource, ModelFacts];
  initModel: readonly [{ out: string; init: ModelInit }, ModelFacts];
  close: readonly [null, null];
};

export type { Completion, GenerateRequest };
