// Thread: messages of two answers -> whether they are the same. Only it loads the library.
import { parentPort } from 'node:worker_threads';
import { Expressions } from './expressions.ts';
import { sameMath } from './same-math.ts';

export interface Asked {
  readonly wanted: string;
  readonly given: string;
}

export type Told = 'ready' | 'same' | 'different';

const expressions = new Expressions();
const tell = (told: Told): void => parentPort?.postMessage(told);

parentPort?.on('message', ({ wanted, given }: Asked) => {
  let same = false;
  try {
    same = sameMath(wanted, given, expressions);
  } catch {
    // The library fails on what it cannot compute: then only equal texts are the same, and those never come here.
  }
  tell(same ? 'same' : 'different');
});
// The first expression compiles what every later one uses: not on the time of a comparison.
expressions.equal('\\sqrt{2}', '2^{1/2}');
tell('ready');
