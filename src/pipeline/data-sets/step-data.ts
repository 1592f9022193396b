// A solution whose steps have labels <-> a row of each published form of such data.
import { z } from 'zod';
import { check } from '../../io/check.ts';

/** What all forms have in common. */
export interface StepData {
  readonly id: string;
  /** Name of the data set or task; null: the form has none. */
  readonly task: string | null;
  readonly question: string;
  /** The right result; null: the form does not say. */
  readonly answer: string | null;
  readonly steps: readonly string[];
  /** Whether the path up to this step is right; null: the form does not say. */
  readonly labels: readonly (boolean | null)[];
  /** Whether the final answer is right; null: the form does not say. */
  readonly right: boolean | null;
}

/** What makes a form; `id` is of a row that has none. */
interface Definition<R> {
  readonly row: z.ZodType<R>;
  readonly read: (row: R, id: string) => StepData;
  readonly write: (data: StepData) => Record<string, unknown>;
}

interface StepForm {
  /** @throws SipfError 'bad-input' naming `place` and the field. */
  readonly read: (value: unknown, place: string, id: string) => StepData;
  readonly write: (data: StepData) => Record<string, unknown>;
}

function form<R>({ row, read, write }: Definition<R>): StepForm {
  return { read: (value, place, id) => read(check(row, value, place), id), write };
}

/** What a form may leave open. */
const UNKNOWN = { task: null, answer: null, right: null } as const;
const Id = z.union([z.string(), z.number().transform(String)]).optional();

/** TRL's stepwise supervision. */
const stepwise = form({
  row: z
    .looseObject({
      id: Id,
      prompt: z.string(),
      completions: z.array(z.string()).min(1),
      labels: z.array(z.boolean().nullable()),
    })
    .refine(({ completions, labels }) => completions.length === labels.length, {
      path: ['labels'],
      message: 'one label a completion',
    }),
  read: ({ id: own, prompt, completions, labels }, id) => ({
    ...UNKNOWN,
    id: own ?? id,
    question: prompt,
    steps: completions,
    labels,
  }),
  write: ({ id, question, steps, labels }) => ({ id, prompt: question, completions: steps, labels }),
});

/** Where Math-Shepherd's texts have a label. */
const TAG = 'ки';

/** Math-Shepherd (Wang et al. 2024): texts with a tag behind each step, and the same with + or - there. */
const mathShepherd = form({
  row: z
    .looseObject({ input: z.string(), label: z.string(), task: z.string().nullish() })
    .refine(({ input }) => input.includes(TAG), { path: ['input'], message: `${TAG} behind each step` })
    .refine(({ input, label }) => signsOf(input, label) !== null, {
      path: ['label'],
      message: `the text of "input" with + or - in place of each ${TAG}`,
    }),
  read: ({ input, label, task }, id) => {
    const parts = input.split(TAG).slice(0, -1);
    const [, question = '', first = ''] = /^(.*?)\s*(Step 1:.*)$/s.exec(parts[0] ?? '') ?? [];
    const steps = [first, ...parts.slice(1)].map((part) => part.trim());
    const labels = signsOf(input, label) ?? [];
    return { ...UNKNOWN, id, task: task ?? null, question: question.trim(), steps, labels };
  },
  write: ({ task, question, steps, labels }) => {
    const text = (mark: (n: number) => string) =>
      `${question} ${steps.map((step, n) => `${/^Step \d+:/.test(step) ? '' : `Step ${n + 1}: `}${step} ${mark(n)}`).join('\n')}`;
    return { input: text(() => TAG), label: text((n) => (labels[n] === true ? '+' : '-')), task };
  },
});

/** The signs that stand in `label` where `input` has tags; null: the texts differ elsewhere. */
function signsOf(input: string, label: string): boolean[] | null {
  const signs: boolean[] = [];
  let at = 0;
  for (const [n, part] of input.split(TAG).entries()) {
    if (n > 0) {
      if (label[at] !== '+' && label[at] !== '-') return null;
      signs.push(label[at] === '+');
      at += 1;
    }
    if (!label.startsWith(part, at)) return null;
    at += part.length;
  }
  return at === label.length ? signs : null;
}

/** Ratings -1, 0 (neutral) and 1: a neutral step is no error. */
const Rating = z.union([z.literal(-1), z.literal(0), z.literal(1)]).nullable();

/** PRM800K (Lightman et al. 2023): of each step the completion that was chosen, else the first. */
const prm800k = form({
  row: z.looseObject({
    question: z.looseObject({ problem: z.string(), ground_truth_answer: z.string().nullish() }),
    label: z.looseObject({
      steps: z
        .array(
          z.looseObject({
            completions: z.array(z.looseObject({ text: z.string(), rating: Rating })).nullable(),
            human_completion: z.looseObject({ text: z.string() }).nullish(),
            chosen_completion: z.number().int().nullish(),
          }),
        )
        .min(1),
      finish_reason: z.string().nullish(),
    }),
  }),
  read: ({ question, label }, id) => {
    const chosen = label.steps.map(({ completions, human_completion: human, chosen_completion: n }) => {
      const own = completions?.[n ?? 0];
      if ((n === null || n === undefined) && human) return { text: human.text, rating: 1 };
      return own ?? { text: human?.text ?? '', rating: null };
    });
    return {
      ...UNKNOWN,
      id,
      question: question.problem,
      answer: question.ground_truth_answer ?? null,
      steps: chosen.map(({ text }) => text),
      labels: chosen.map(({ rating }) => (rating === null ? null : rating >= 0)),
      right: label.finish_reason === 'solution' ? true : null,
    };
  },
  write: ({ question, answer, steps, labels, right }) => {
    const rated = steps.map((text, n) => ({
      completions: [{ text, rating: labels[n] === null ? null : labels[n] ? 1 : -1, flagged: null }],
      human_completion: null,
      chosen_completion: 0,
    }));
    const finish_reason = right === true ? 'solution' : 'found_error';
    return { question: { problem: question, ground_truth_answer: answer }, label: { steps: rated, finish_reason } };
  },
});

/** ProcessBench (Zheng et al. 2024): the index of the first wrong step, or -1. */
const processbench = form({
  row: z
    .looseObject({
      id: Id,
      problem: z.string(),
      steps: z.array(z.string()).min(1),
      label: z.number().int().min(-1),
      final_answer_correct: z.boolean().nullish(),
    })
    .refine(({ steps, label }) => label < steps.length, { path: ['label'], message: 'the index of a step, or -1' }),
  read: ({ id: own, problem, steps, label, final_answer_correct: right }, id) => ({
    ...UNKNOWN,
    id: own ?? id,
    question: problem,
    steps,
    labels: steps.map((_, n) => label === -1 || n < label),
    right: right ?? null,
  }),
  write: ({ id, question, steps, labels, right }) => ({
    id,
    problem: question,
    steps,
    label: labels.indexOf(false),
    final_answer_correct: right,
  }),
});

export const STEP_FORMS = { stepwise, 'math-shepherd': mathShepherd, prm800k, processbench } as const;
export type StepFormName = keyof typeof STEP_FORMS;
