// A text -> whether lines of records could hold it, and whether a question or a path does.
import type { Question, Sample } from '../../records.ts';

export interface TextSearch {
  /** False: no record of these lines has it, however their JSON is written. True: perhaps one has. */
  mayBeIn(lines: string): boolean;
  inQuestion(question: Pick<Question, 'question' | 'answer'>): boolean;
  /** In a step, the extracted answer or what the outcome says. */
  inPath(sample: Pick<Sample, 'steps' | 'extracted' | 'outcome'>): boolean;
}

/** Finds `text` as it is, capital or small (simple case folding of Unicode). */
export function textSearch(text: string): TextSearch {
  const inText = patternOf(text);
  const inJson = patternOf(JSON.stringify(text).slice(1, -1));
  return {
    // JSON may write any character as \u and a slash as \/; other characters that it escapes have one form each.
    mayBeIn: (lines) => lines.includes('\\u') || lines.includes('\\/') || inJson.test(lines),
    inQuestion: ({ question, answer }) => inText.test(question) || inText.test(answer),
    inPath: ({ steps, extracted, outcome }) =>
      steps.some((step) => inText.test(step)) ||
      (extracted !== null && inText.test(extracted)) ||
      (outcome.kind === 'wrong' && outcome.detail !== undefined && inText.test(outcome.detail)),
  };
}

function patternOf(text: string): RegExp {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'iu');
}
