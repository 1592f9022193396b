// Plain values -> YAML, in blocks; texts are quoted as in JSON, which YAML reads alike.
import { isDeepStrictEqual } from 'node:util';

export type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** Lines of a mapping. Keys without a value, or with an empty list, are left out. */
export function yamlText(value: { readonly [key: string]: Yaml | undefined }): string {
  return linesOf(value).join('\n');
}

function linesOf(value: Yaml): string[] {
  if (typeof value !== 'object') return [JSON.stringify(value)];
  if (isList(value)) return value.flatMap((item) => indented('- ', linesOf(item)));
  return Object.entries(value).flatMap(([key, inner]) => {
    if (inner === undefined || isDeepStrictEqual(inner, [])) return [];
    return typeof inner === 'object' ? [`${key}:`, ...indented('  ', linesOf(inner))] : [`${key}: ${linesOf(inner)}`];
  });
}

const isList = (value: Yaml): value is readonly Yaml[] => Array.isArray(value);

/** The first line behind `sign`, the others below it. */
function indented(sign: string, lines: readonly string[]): string[] {
  return lines.map((line, n) => `${n === 0 ? sign : '  '}${line}`);
}
