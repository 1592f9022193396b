// A run's view -> the model card of its policy, of its process reward model, and of a model alone.
import { expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import type { EvalReport, FinalReport } from '../reports.ts';
import { openTasks } from '../tasks/index.ts';
import { type CardArgs, modelCard } from './model-card.ts';
import type { RoundSummary } from './run-reader.ts';

const set = {
  task: 'gsm8k',
  split: 'test',
  n: 200,
  correct: 50,
  accuracy: 0.25,
  ci95: [0.195, 0.314] as [number, number],
  truncated: 0,
  errors: 0,
  paired: { difference: 0.05, ci95: [0.01, 0.09] as [number, number], pValue: 0.01, n: 200, better: 12, worse: 2 },
  sound: { value: 0.2, ci95: [0.15, 0.26] as [number, number], n: 200 },
  pairedSound: null,
  falseAmongRight: null,
};
const figure = { value: 0.8, ci95: [0.7, 0.9] as [number, number], n: 20 };
const scores = { stepAccuracy: figure, firstErrorF1: null, aucOutcome: { scores: figure } };
const round = {
  iteration: 1,
  report: { sets: [{ ...set, split: 'valid', accuracy: 0.1 }], scores } as unknown as EvalReport,
} as RoundSummary;

function card(changes: Partial<CardArgs>, hash = 'h'): string {
  const config = parseConfig({
    model: 'owner/base',
    task: { name: 'gsm8k' },
    evaluate: { final: [{ split: 'test' }] },
  });
  const final = { rows: [{ name: 'last', policy: 'h', sets: [set] }] } as unknown as FinalReport;
  const from = { config, versions: { sipf: '1.0' }, rounds: [round], final, iteration: 1, hash, tasks: openTasks() };
  return modelCard({ title: 'mine', to: 'merged', isPrm: false, base: 'owner/base', license: null, from, ...changes });
}

it('has the front matter that the hub reads, and the results of the final evaluation', () => {
  const text = card({ license: 'apache-2.0' });
  expect(text.slice(0, text.indexOf('tags:'))).toBe(`---
license: "apache-2.0"
library_name: "transformers"
pipeline_tag: "text-generation"
base_model: "owner/base"
base_model_relation: "finetune"
datasets:
  - "openai/gsm8k"
metrics:
  - "accuracy"
`);
  expect(text).toContain(`model-index:
  - name: "mine"
    results:
      - task:
          type: "text-generation"
        dataset:
          name: "gsm8k/test"
          type: "openai/gsm8k"
          split: "test"
        metrics:
          - type: "accuracy"
            name: "right (200 questions, 95 % interval 0.1950 to 0.3140)"
            value: 0.25
`);
  expect(text).toContain('Question: QUESTION\nAnswer:\n');
  expect(text).toContain('| gsm8k/test | right | 200 | 25.0 % (19.5-31.4) | +5.0 (+1.0 to +9.0) against the start |');
  expect(text).toContain('round 1 of 2');
});

it('has the results of its own round where the final evaluation is of another policy', () => {
  const text = card({}, 'other');
  expect(text).toContain('| gsm8k/valid | right | 200 | 10.0 %');
  expect(text).toContain('against the round before');
  expect(text).not.toContain('gsm8k/test |');
});

it('of a process reward model has its figures, and none of the policy', () => {
  const text = card({ isPrm: true, to: 'prm-lm' });
  expect(text).toContain('STEP 1<|step|>STEP 2<|step|>\n```');
  expect(text).toContain('| gsm8k/train | steps on the right side of 0.5 | 20 | 80.0 % (70.0-90.0) | - |');
  expect(text).not.toContain('25.0 %');
  expect(text).not.toContain('pipeline_tag');
});

it('of a model without a run says what it is', () => {
  const text = modelCard({ title: 'm', to: 'peft', isPrm: false, base: null, license: null, from: null });
  expect(text).toBe(`---
library_name: "peft"
pipeline_tag: "text-generation"
tags:
  - "sipf"
  - "reasoning"
---

# m

A language model that reasons step by step.
`);
});
