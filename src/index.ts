// The public API, named exports only. Start reading at pipeline/iterate.ts.
export type * from './backends/backend.ts';
export { type OpenBackendOptions, openBackend } from './backends/open.ts';
export {
  type Config,
  type ConfigInput,
  type ConfigSources,
  configDifference,
  configKeys,
  loadConfig,
  parseConfig,
} from './config.ts';
export { messageOf, SipfError, type SipfErrorCode } from './errors.ts';
export { readRecords } from './journal.ts';
export { alignRows, goldRows } from './pipeline/align.ts';
export { choosePaths } from './pipeline/choose-paths.ts';
export {
  type Calibration,
  estimate,
  expectedRollouts,
  flopsOf,
  type RunEstimate,
  type StageEstimate,
  type TokenCost,
  type Typical,
  tokensForFlops,
} from './pipeline/cost.ts';
export { labelSteps } from './pipeline/label-steps.ts';
export { METHODS, MethodName } from './pipeline/methods.ts';
export { capPairs, pairQuestion } from './pipeline/pair-paths.ts';
export { passAt, passAtFigure } from './pipeline/pass-at.ts';
export { type BuildPrompt, loadShots, makePrompter } from './pipeline/prompt.ts';
export { chooseQuestions, goldSample, samplePaths } from './pipeline/sample-paths.ts';
export { type Scorer, scoreUnit } from './pipeline/score-paths.ts';
export { hardLabels, pathScore, softLabels } from './pipeline/step-labels.ts';
export { prmRows } from './pipeline/train-prm.ts';
export { PRESETS } from './presets.ts';
export type { Log, LogEvent, OnProgress, ProgressEvent } from './progress.ts';
export * from './records.ts';
export { type LoopResult, type RunLoopOptions, runLoop } from './run-loop.ts';
export {
  configOfRun,
  type FinalReport,
  type QuestionView,
  type RoundSummary,
  type RunView,
  readRun,
} from './run-reader.ts';
export { splitCode } from './tasks/code-steps.ts';
export { codeOf } from './tasks/code-text.ts';
export { type OpenTasks, openTasks, taskNamed } from './tasks/index.ts';
export { createNativeSandbox, type NativeSandboxOptions } from './tasks/sandbox/native-sandbox.ts';
export { createPyodideSandbox, type PyodideSandboxOptions } from './tasks/sandbox/pyodide-sandbox.ts';
export type { Program, Sandbox, Verdict, WrongReason } from './tasks/sandbox/sandbox.ts';
export type * from './tasks/task.ts';
export { closing, taskOf } from './tasks/task.ts';
