// A backend that writes one text at a time, the second once the file at SIPF_TEST_GO is there.
import { existsSync } from 'node:fs';
import { createScriptedBackend } from '#sipf/backends/index.js';

function onWork(what) {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (what === 'completion generate/0/1' && !existsSync(process.env.SIPF_TEST_GO)) Atomics.wait(clock, 0, 0, 5);
}

const write = ({ random }) => `text ${random.int(1, 999)}`;

export default () => createScriptedBackend({ write, onWork, slots: 1 });
