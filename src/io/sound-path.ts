// A path that somebody else names -> whether it stays below the folder that it is for.

/** Relative, with `/` between its parts, none of which leads elsewhere or moves a terminal's cursor. */
export function isSoundPath(path: string): boolean {
  return !/[\\\p{Cc}]/u.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part));
}
