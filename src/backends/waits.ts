// Real time and chance, for requests to servers elsewhere.
import { setTimeout } from 'node:timers/promises';
import type { Waits } from '../remote/server-requests.ts';

export const WAITS: Waits = {
  wait: (ms, signal) => setTimeout(ms, undefined, { signal }),
  random: Math.random,
  now: Date.now,
};
