// One round of the whole loop with a tiny model from nothing, in this process: `node one-round.mjs`.
import { engineOf, loadConfig, openBackend, runLoop } from 'sipf';

const config = await loadConfig({ preset: 'smoke', flags: { iterations: 1 } });
const backend = await openBackend(engineOf(config));
try {
  const log = ({ type, stage }) => type === 'stage-start' && console.log(`begins: ${stage}`);
  const { rounds, policy } = await runLoop({ config, backend, out: 'runs/one-round', log });
  for (const { iteration, sets } of rounds)
    console.log(
      `round ${iteration}: ${sets.map(({ task, correct, n }) => `${task} ${correct} of ${n} right`).join(', ')}`,
    );
  console.log(`the policy is in ${policy.adapter ?? policy.model}`);
} finally {
  await backend[Symbol.asyncDispose]();
}
