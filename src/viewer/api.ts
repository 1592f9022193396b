// What the page and the report are told: the types of every answer. Types alone.
import type { Answer, Outcome, PreferencePair, Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Estimate, EvalReport, FinalReport, PairedDifference } from '../reports.ts';

/** A run that the page may ask about, by its place in `RunsReply.runs`. */
export interface RunHead {
  readonly name: string;
  /** Absolute. */
  readonly dir: string;
  readonly method: string;
  readonly task: string;
  readonly model: string;
  readonly seed: number;
  /** Configured rounds. */
  readonly iterations: number;
  /** Rounds that have begun, the start (0) included. */
  readonly rounds: number;
  readonly finished: boolean;
  /** Grows whenever a file of the run changed: what a page holds of an older one may be stale. */
  readonly version: number;
  /** What the run does now; null: nothing runs. `stage` null: it is between two. `done` of `total` units, where the stage tells. */
  readonly now: {
    readonly stage: string | null;
    readonly iteration: number;
    readonly done: number | null;
    readonly total: number | null;
  } | null;
  /** Bytes of record files that the index has read. */
  readonly indexed: { readonly bytes: number; readonly of: number };
  /** What is wrong with its files: each names the file and the line. The rest is shown. */
  readonly faults: readonly string[];
}

/** GET api/runs */
export interface RunsReply {
  readonly runs: readonly RunHead[];
}

export interface StageCost {
  readonly stage: string;
  readonly seconds: number | null;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly scoredTokens: number;
  readonly trainTokens: number;
}

/** A round (or the start) as the table has it. Parts are null where that stage has not run. */
export interface RoundRow {
  readonly iteration: number;
  readonly report: EvalReport | null;
  readonly seconds: number | null;
  readonly stages: readonly StageCost[];
  /** What the formulas of the dry run say of the same stages, from the run's own figures of lengths and success. */
  readonly estimated: readonly StageCost[];
}

/** A warning once, with the rounds that gave it; 'final' of the final evaluation. */
export interface Warning {
  readonly text: string;
  readonly where: readonly (number | 'final')[];
}

/** GET api/rounds?run */
export interface RoundsReply {
  readonly rounds: readonly RoundRow[];
  readonly final: FinalReport | null;
  readonly warnings: readonly Warning[];
  /** A check that everything runs (preset smoke): its figures mean nothing. */
  readonly onlyCheck: boolean;
}

/** What a list of questions or paths can be narrowed to; a question is listed where one path of it fits all of these at once. */
export interface PathFilter {
  /** Paths that were new in this round; absent: all up to it. */
  readonly drawnIn?: number;
  readonly outcome?: 'right' | 'wrong' | 'error';
  /** Of wrong outcomes. */
  readonly reason?: string;
  /** Of the path score; paths without one fit neither bound. */
  readonly scoreFrom?: number;
  readonly scoreTo?: number;
  readonly tokensFrom?: number;
  readonly tokensTo?: number;
  readonly truncated?: boolean;
  /** The same steps as another sample of its question up to the round. */
  readonly duplicate?: boolean;
  /**
   * false-step: right, with a step that exact checks find false. low-right: right, with a path score in the round's lowest quarter. high-wrong:
   * wrong, with one in the highest quarter. disagree: a step's score (0.5 and more says correct) and its hard label differ. unscorable: no
   * answer, cut off, or too long to score.
   */
  readonly list?: 'false-step' | 'low-right' | 'high-wrong' | 'disagree' | 'unscorable';
  /** In the question, the answer, a step, the extracted answer or the outcome's detail; as it is, without regard to case. */
  readonly text?: string;
}

export interface QuestionRow {
  readonly id: string;
  /** At most 200 characters of it. */
  readonly question: string;
  readonly answer: string;
  /** Paths up to this round that fit the filter, and all. */
  readonly fits: number;
  readonly paths: number;
  readonly right: number;
  /** Least and largest path score of its paths, whether they fit or not. */
  readonly scores: readonly [number, number] | null;
  readonly labelled: number;
  readonly pairs: number;
}

/** GET api/questions?run&round&offset&limit&sort, and the fields of PathFilter. `sort`: file (default), score, spread, right, paths, tokens; a leading - turns it round. */
export interface QuestionsReply {
  /** How many fit; null: a search of texts (`text`, or the list false-step) that has not read all yet. */
  readonly total: number | null;
  readonly questions: readonly QuestionRow[];
  /** Of a search of texts: ask again with `from` this for what comes after; it continues where it stopped. null: there is no more. */
  readonly next: string | null;
}

/** A path with what is known of its steps; lists run parallel to `sample.steps`. */
export interface PathView {
  readonly sample: Sample;
  readonly pathScore: number | null;
  readonly scores: StepScores | null;
  /** Without the texts of kept rollouts. */
  readonly labels: Omit<StepLabels, 'rollouts'> | null;
  readonly hardLabels: readonly boolean[] | null;
  /** Exact checks: true, false, or null where nothing can be checked. */
  readonly truth: readonly (boolean | null)[];
  /** The task knows each true step. false: `true` says that equations hold, and they may be of the wrong thing. */
  readonly knowsSteps: boolean;
  /** By hand. */
  readonly human: readonly (HumanLabel | null)[];
  /** Least log-probability of each step's tokens, null where none was drawn there; null of all: not kept (`sampling.keepLogps`). */
  readonly leastLogps: readonly (number | null)[] | null;
  /** Kept rollouts of each step. */
  readonly rollouts: readonly number[];
  readonly duplicateOf: string | null;
}

/** GET api/question?run&round&id */
export interface QuestionReply {
  readonly question: Question;
  readonly paths: readonly PathView[];
  /** With their places in the round's pairs. */
  readonly pairs: readonly { readonly index: number; readonly pair: PreferencePair }[];
  /** Rounds that have paths of it. */
  readonly rounds: readonly number[];
}

/** GET api/rollouts?run&round&sample&step */
export interface RolloutsReply {
  readonly rollouts: readonly Sample[];
}

/** A token of a path: its text, and log P(token) under the policy that drew it; null: a calculator wrote it. */
export interface TokenView {
  readonly text: string;
  readonly logp: number | null;
}

/** GET api/tokens?run&round&sample. null: not kept. */
export interface TokensReply {
  readonly tokens: readonly TokenView[] | null;
}

/** GET api/pairs?run&round&offset&limit&alone. `alone`: true, only paths that train alone; false, only pairs; absent: both. */
export interface PairsReply {
  readonly total: number;
  readonly pairs: readonly {
    readonly index: number;
    readonly questionId: string;
    readonly question: string;
    readonly margin: number | null;
    readonly shared: number;
    readonly rightChosen: boolean | null;
    readonly rightRejected: boolean | null;
  }[];
}

/** GET api/pair?run&round&index. Log-probabilities are means a token of the whole round's pairs before and after, where the round kept them. */
export interface PairReply {
  readonly pair: PreferencePair;
  readonly question: Question | null;
  readonly chosen: PathView | null;
  readonly rejected: PathView | null;
  readonly logps: EvalReport['logps'];
  /** Of this pair alone, before and after; null: not kept. */
  readonly own: {
    readonly chosen: readonly [number, number];
    readonly rejected: readonly [number, number] | null;
  } | null;
}

/** A scorer's figures on held-out labelled paths, or of a stand-in: tallies, mean log-probability, shortness, the commoner label. */
export interface ScorerFigures {
  readonly name: string;
  /** P(score of a right path > score of a wrong one) within a question. */
  readonly auc: Estimate;
  readonly stepAccuracy: Estimate;
  /** The ROC within questions, from (0, 0) to (1, 1); empty: too little. */
  readonly roc: readonly (readonly [falsePositive: number, truePositive: number])[];
}

/** A group of steps: by position, or by length in characters. */
export interface StepGroup {
  readonly label: string;
  readonly n: number;
  readonly score: number | null;
  readonly frequency: number | null;
  readonly accuracy: Estimate;
}

/** GET api/scores?run&round */
export interface ScoresReply {
  readonly figures: EvalReport['scores'];
  readonly scorers: readonly ScorerFigures[];
  readonly byPosition: readonly StepGroup[];
  readonly byLength: readonly StepGroup[];
  /** Labels by hand against scores, tallies and exact checks: agreement with how many of them. */
  readonly human: readonly { readonly with: string; readonly agreement: Estimate }[];
}

export interface TrainingStep {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  /** Since the training began, without pauses; null: unknown. */
  readonly seconds: number | null;
  readonly metrics: Readonly<Record<string, number>>;
}

/** GET api/training?run */
export interface TrainingReply {
  readonly trainings: readonly {
    readonly iteration: number;
    readonly stage: string;
    readonly steps: number;
    readonly series: readonly TrainingStep[];
  }[];
}

/** Answers of two policies to one question. */
export interface ComparedAnswer {
  readonly questionId: string;
  readonly first: Answer;
  readonly second: Answer;
}

/** What is compared: a run's round, or a policy of its final evaluation. */
export interface ComparedSide {
  readonly run: number;
  readonly policy: number | 'start' | 'last' | 'continued-sft';
}

/** GET api/compare?first=RUN:POLICY&second=RUN:POLICY&offset&limit&change=gained|lost. `difference` is first minus second. */
export interface CompareReply {
  readonly sets: readonly {
    readonly task: string;
    readonly split: string;
    readonly accuracies: readonly [number, number];
    readonly accuracy: PairedDifference | null;
    readonly sound: PairedDifference | null;
    readonly onlyFirst: number;
    readonly onlySecond: number;
    readonly different: number;
  }[];
  readonly total: number;
  readonly answers: readonly ComparedAnswer[];
}

/** A step's label by hand; what human-labels.jsonl holds, one a line. The last line of a step holds. */
export interface HumanLabel {
  readonly sampleId: string;
  readonly step: number;
  /** null: taken back. */
  readonly label: 'good' | 'bad' | 'unsure' | null;
  readonly note?: string;
  /** ISO 8601. */
  readonly time: string;
}

/** POST api/labels?run with {sampleId, step, label, note}; needs the header `x-sipf-annotate: 1`. */
export interface LabelReply {
  readonly label: HumanLabel;
}

/** What a failed request says. */
export interface ErrorReply {
  readonly error: string;
}

/**
 * What a report holds in place of a server, as JSON in `<script type="application/json" id="sipf-report">`. A key of `answers` is a
 * request as the page writes it: `api/rounds?run=0`, with the query's names sorted.
 */
export interface ReportData {
  readonly answers: Readonly<Record<string, unknown>>;
  /** Paths shown as examples; their questions are among the answers. */
  readonly samples: readonly {
    readonly run: number;
    readonly round: number;
    readonly id: string;
    readonly path: string;
  }[];
}

export type { Answer, Outcome, PreferencePair, Question, Sample };
