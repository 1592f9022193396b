// What a policy draws at a time, and the size of a unit -> how many units keep it busy.
import type { Room } from '../backend.ts';

/**
 * How many units of work keep servers busy, where a unit has so many completions: one for each server, and more where that is less than twice what
 * a server draws at a time, since it would wait for the last completions of each unit.
 */
export function unitsAtOnce(room: Room | undefined, completions: number): number {
  return room === undefined ? 1 : room.servers * Math.max(1, Math.ceil((2 * room.completions) / completions));
}
