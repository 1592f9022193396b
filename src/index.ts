// The public API, named exports only. Start reading at pipeline/iterate.ts.
export type * from './backend.ts';
export * from './backends/index.ts';
export { engineOf } from './config/engine.ts';
export { type ConfigSources, loadConfig, parseConfig } from './config/load.ts';
export { PRESETS } from './config/presets.ts';
export { type Config, type ConfigInput, configKeys } from './config/schema.ts';
export { EngineSettings } from './engine-settings.ts';
export { messageOf, SipfError, type SipfErrorCode } from './errors.ts';
export { jsonDifference } from './hashing.ts';
export { readRecords } from './io/jsonl.ts';
export { alignRows, goldRows } from './method/align-rows.ts';
export { choosePaths } from './method/choose-paths.ts';
export { refusedByGate } from './method/chosen-gate.ts';
export { labelSteps } from './method/label.ts';
export { METHODS, MethodName } from './method/methods.ts';
export { capPairs, pairQuestion } from './method/pair.ts';
export { pathScore } from './method/path-score.ts';
export { prmRows } from './method/prm-rows.ts';
export { Probe, probeLayers, type StateReader, stateReader } from './method/probe.ts';
export { type BuildPrompt, makePrompter } from './method/prompt.ts';
export { chooseQuestions, goldSample, samplePaths } from './method/sample.ts';
export { scoreUnit } from './method/score.ts';
export { openScorer, type Scorer as PathScorer, type ScorerName, type ScorerSource } from './method/scorers.ts';
export { hardLabels, softLabels } from './method/step-labels.ts';
export { isSound, type StepTruth, stepTruth } from './method/step-truth.ts';
export { trainProbe } from './method/train-probe.ts';
export { flopsOf, type TokenCost, tokensForFlops } from './pipeline/cost.ts';
export { type Calibration, estimate, type RunEstimate } from './pipeline/estimate.ts';
export { expectedRollouts, type StageEstimate, type Typical } from './pipeline/round-costs.ts';
export { type LoopResult, type RunLoopOptions, runLoop } from './pipeline/run-loop.ts';
export {
  configOfRun,
  type QuestionView,
  type RoundSummary,
  type RunView,
  readRun,
} from './pipeline/run-reader.ts';
export { loadShots } from './pipeline/shots.ts';
export * from './records.ts';
export type { FinalReport } from './reports.ts';
export type { Log, LogEvent, OnProgress, ProgressEvent } from './run/events.ts';
export type { Program, Sandbox, Verdict, WrongReason } from './sandbox.ts';
export { createPyodideSandbox, type PyodideSandboxOptions } from './sandboxes/embedded.ts';
export { createNativeSandbox, type NativeSandboxOptions } from './sandboxes/native.ts';
export { type ModelServer, type ServeOptions, serve } from './server/serve.ts';
export { passAt, passAtFigure } from './statistics/pass-at.ts';
export type * from './task.ts';
export { closing, taskOf } from './task.ts';
export { splitCode } from './tasks/code/code-steps.ts';
export { codeOf } from './tasks/code/code-text.ts';
export { type OpenTasks, openTasks, taskNamed } from './tasks/index.ts';
