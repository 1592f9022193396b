// A process -> the memory in use after a full garbage collection, without the spare heap of V8.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** A full garbage collection. */
export const collect = runInNewContext('gc') as () => void;

/** Resident bytes, JavaScript objects and native buffers alike, without the heap that V8 has reserved and not filled. */
export function memoryInUse(): number {
  collect();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - heapTotal + heapUsed;
}
