// The text of an events.jsonl -> the seconds of each stage.
import { describe, expect, it } from 'vitest';
import { stageSeconds } from './events.ts';

describe('stageSeconds', () => {
  it('adds up the tries of a stage and knows when a killed one was last alive', () => {
    const event = (second: number, type: string, stage?: string) =>
      JSON.stringify({ time: new Date(1000 * second).toISOString(), type, stage, iteration: 1 });
    const times = stageSeconds(
      [
        event(0, 'run'),
        event(0, 'stage-start', '1-samples'),
        event(4, 'train-step', '1-samples'),
        event(100, 'run'),
        event(101, 'stage-start', '1-samples'),
        event(103, 'stage-end', '1-samples'),
        event(103, 'stage-skipped', '2-step-labels'),
        event(104, 'stage-start', '5-pairs'),
        event(105, 'stage-end', '5-pairs'),
        '{"time":"cut by a ki',
      ].join('\n'),
    );
    expect([...times]).toEqual([
      ['1/1-samples', 6],
      ['1/5-pairs', 1],
    ]);
  });
});
