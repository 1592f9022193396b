// A backend whose model writes code: every second program never ends.
import { createScriptedBackend } from '#sipf/backends/index.js';

const write = ({ random, prefix }) =>
  prefix === '' && random.next() < 0.5 ? '    while True:\n        pass\n' : '    return x + 1\n';

export default () => createScriptedBackend({ write });
