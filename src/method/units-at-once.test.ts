// Servers and sizes of units -> no server waits for the last completions of a unit.
import { expect, it } from 'vitest';
import { unitsAtOnce } from './units-at-once.ts';

it.each([
  ['an engine that draws one call at a time', undefined, 128, 1],
  ['one server, large units', { servers: 1, completions: 32 }, 128, 1],
  ['three of them', { servers: 3, completions: 32 }, 128, 3],
  ['a unit of just twice what a server draws', { servers: 1, completions: 64 }, 128, 1],
  ['a unit of less', { servers: 1, completions: 65 }, 128, 2],
  ['a large server, small units', { servers: 2, completions: 256 }, 128, 8],
])('units that keep busy %s', (_what, room, completions, units) => {
  expect(unitsAtOnce(room, completions)).toBe(units);
});
