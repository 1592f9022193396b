// The scripted backend keeps the contract of a backend.
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { backendContract } from './backend-suite.ts';

/** Twelve letters, none of them twice in a row. */
const write = ({ random }: { random: { next(): number } }) =>
  Array.from({ length: 20 }, (_, i) =>
    String.fromCharCode((i % 2 === 0 ? 97 : 110) + Math.floor(13 * random.next())),
  ).join('');

backendContract('scripted', async () => createScriptedBackend({ write, slots: 2 }));
