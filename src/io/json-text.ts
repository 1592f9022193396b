// JSON text from outside -> its value, unless it is nested too deeply to walk.

import { messageOf, printable } from '../errors.ts';

/** No file we read comes near this. */
const MAX_DEPTH = 200;

/** A byte order mark, which some editors put first, is passed over. @throws SyntaxError as JSON.parse does, and for values nested more than 200 levels deep. */
export function parseJsonText(text: string): unknown {
  const value = parse(text.startsWith('\ufeff') ? text.slice(1) : text);
  // Brackets within strings count, too: then a look at the value itself decides.
  if (hasDeepBrackets(text) && isDeeper(value, MAX_DEPTH))
    throw new SyntaxError(`values nested more than ${MAX_DEPTH} levels deep`);
  return value;
}

/** JSON.parse quotes the text that it cannot read, with all that is in it. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new SyntaxError(printable(messageOf(thrown)), { cause: thrown });
  }
}

/** Whether more brackets open than close, by more than the limit, anywhere. */
function hasDeepBrackets(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== 'object') return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
