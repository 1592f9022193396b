// An events.jsonl that comes in pieces -> what its whole text tells, each byte read once.
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { stageSeconds } from '../run/events.ts';
import { RunEvents } from './run-events.ts';

const STAGES = ['1-samples', '3-prm', '6-policy'];

function randomEvents(key: string): string {
  const random = createRandom(key);
  let second = 0;
  const lines = Array.from({ length: 60 }, () => {
    second += random.int(0, 9);
    const type = random.pick(['run', 'stage-start', 'stage-start', 'stage-end', 'train-step', 'warning']);
    const stage = type === 'run' ? {} : { stage: random.pick(STAGES), iteration: random.int(1, 2) };
    return JSON.stringify({ time: new Date(1000 * second).toISOString(), type, ...stage, message: 'ü' });
  });
  return `${lines.join('\n')}\n`;
}

it('tells of pieces what it tells of the whole', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sipf-run-events-'));
  const path = join(dir, 'events.jsonl');
  try {
    for (let i = 0; i < 20; i += 1) {
      const random = createRandom(`pieces/${i}`);
      const bytes = Buffer.from(randomEvents(String(i)));
      const events = new RunEvents(dir);
      await writeFile(path, '');
      for (let at = 0; at < bytes.length; ) {
        const end = at + random.int(1, 900);
        await appendFile(path, bytes.subarray(at, end));
        await events.refresh();
        at = end;
      }
      expect(events.seconds).toEqual(stageSeconds(bytes.toString()));
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});

it('reads on from where it ended, and again where the file is a shorter one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sipf-run-events-'));
  const path = join(dir, 'events.jsonl');
  try {
    const [first, second] = [randomEvents('first'), randomEvents('second')];
    const events = new RunEvents(dir);
    await writeFile(path, first);
    await events.refresh();
    // Of the same length: reading it again would tell.
    await writeFile(path, `${'x'.repeat(Buffer.byteLength(first) - 1)}\n${second}`);
    await events.refresh();
    expect(events.seconds).toEqual(stageSeconds(first + second));
    await writeFile(path, first);
    await events.refresh();
    expect(events.seconds).toEqual(stageSeconds(await readFile(path, 'utf8')));
  } finally {
    await rm(dir, { recursive: true });
  }
});
