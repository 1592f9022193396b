// What a long-running call says while it works -> callbacks. Leaves drawing, rates and remaining times to whoever listens.

/** How far a stage is. `unit` names what is counted: questions, paths, steps ... `rate`: units a second, where the stage knows it. */
export interface ProgressEvent {
  readonly stage: string;
  readonly iteration: number;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly rate?: number;
  /** What else is known of it now: the loss of a training. */
  readonly detail?: string;
}
export type OnProgress = (event: ProgressEvent) => void;

/** One thing that happened: a stage began or ended, an optimizer step, a warning. Written to events.jsonl with its time. */
export interface LogEvent {
  readonly type:
    | 'run'
    | 'questions'
    | 'stage-start'
    | 'stage-end'
    | 'stage-skipped'
    | 'train-step'
    | 'warning'
    | 'error'
    | 'counts';
  readonly stage?: string;
  readonly iteration?: number;
  readonly message?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
export type Log = (event: LogEvent) => void;

/** `round 1 3-prm`, `final start-answers`: a stage in words. Numbered stages are a round's, the others come after the last one. */
export function stageTitle(stage: string, iteration: number): string {
  return /^\d-/.test(stage) ? `round ${iteration} ${stage}` : `final ${stage}`;
}
