// Text that mentions markup (`"</think>"` in a program) -> patterns of the quotes around it.

/** A string literal of Python, or inline code: what is in it is text. A quote that is not closed on its line (`5" long`) quotes nothing. */
export const QUOTED = [
  String.raw`"""[\s\S]*?"""`,
  String.raw`'''[\s\S]*?'''`,
  String.raw`(?<![\p{L}\p{N}_])(?:[rbfu]{1,2})?"[^"\n]*"`,
  String.raw`(?<![\p{L}\p{N}_])(?:[rbfu]{1,2})?'[^'\n]*'`,
  '(?<!`)`[^`\\n]+`(?!`)',
].join('|');

/** From one code fence to the next. */
export const FENCED = '```[\\s\\S]*?```';
