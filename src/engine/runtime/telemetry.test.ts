// When the runtime's telemetry is off, on, and refused.
import { expect, it } from 'vitest';
import { isSilent, silenceRuntime, silent, TELEMETRY_SWITCH } from './telemetry.ts';

const of = (value: string | undefined) => (value === undefined ? {} : { [TELEMETRY_SWITCH]: value });

it.each([
  [undefined, '1'],
  ['', '1'],
  ['2', '1'],
  ['disable', '1'],
  ['1', '1'],
  ['TRUE', 'TRUE'],
  [' yes ', ' yes '],
  ['0', '0'],
  ['off', 'off'],
  ['False', 'False'],
])('%j becomes %j: off, unless somebody switched it on', (given, wanted) => {
  expect(silent(of(given))[TELEMETRY_SWITCH]).toBe(wanted);
  const env: NodeJS.ProcessEnv = of(given);
  silenceRuntime(env, true);
  expect(env[TELEMETRY_SWITCH]).toBe(wanted);
  expect(isSilent(env)).toBe(!['0', 'off', 'False'].includes(wanted));
});

it('is refused in a thread whose environment the runtime does not see', () => {
  expect(() => silenceRuntime({}, false)).toThrow(/Set it in the main thread/);
  expect(() => silenceRuntime(of('1'), false)).not.toThrow();
  expect(() => silenceRuntime(of('0'), false)).not.toThrow();
});
