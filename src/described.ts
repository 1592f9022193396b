// A configuration's schema -> its settings in words: what each means, takes and defaults to.
import { z } from 'zod';

/** `schema` with the words that help, documentation and editors show: what it is (with its unit), then when to change it. */
export function described<S extends z.ZodType>(schema: S, words: string): S {
  return schema.describe(words);
}

/**
 * true or false, with a default that leaves no trace: a configuration has `undefined` for it. So the configurations of versions that did not
 * know the setting, and the runs made of them, stay as they are.
 */
export function traceless(fallback: boolean) {
  return z
    .boolean()
    .default(fallback)
    .transform((value) => (value === fallback ? undefined : value));
}

/** Settings that are on where a configuration has nothing of them (`traceless(true)`), by the last part of their key. Nothing means false or null elsewhere. */
export const ON_UNSAID: readonly string[] = ['calculatorLoss', 'headBias'];

/** A key of the configuration. A section (`sampling`, `sft.train.lora`) holds settings of its own. */
export interface Setting {
  readonly key: string;
  readonly words: string;
  /** `a whole number of at least 1, or null`. */
  readonly takes: string;
  /** undefined: none; a section's own default is that of its settings. */
  readonly fallback: unknown;
  readonly isSection: boolean;
  /** A section whose `kind` says which settings it has. */
  readonly hasKinds: boolean;
  /** The fields of each element, where the setting is a list of objects. */
  readonly elements: readonly Setting[];
}

/** What JSON Schema says of one key, as zod writes it. */
interface Node {
  readonly format?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node | readonly Node[];
  readonly anyOf?: readonly Node[];
  /** Objects that differ in their `kind`. */
  readonly oneOf?: readonly Node[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** What users write, in the draft that every editor reads. */
export const JSON_SCHEMA = { io: 'input', target: 'draft-7' } as const;

/** Every section and setting of `schema`, each section before what it holds. */
export function settingsOf(schema: z.ZodType): Setting[] {
  return settingsIn(z.toJSONSchema(schema, JSON_SCHEMA) as Node, '');
}

function settingsIn(node: Node, prefix: string): Setting[] {
  return Object.entries(propertiesOf(node)).flatMap(([name, value]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const inner = settingsIn(value, key);
    const setting: Setting = {
      key,
      words: value.description ?? '',
      takes: takesOf(value),
      fallback: value.default,
      isSection: inner.length > 0 && !alternativesOf(value).some(isPlain),
      hasKinds: hasKinds(value),
      // A list of what may stand there alone has the same fields.
      elements: inner.length > 0 ? [] : elementsOf(value),
    };
    return [setting, ...inner];
  });
}

function elementsOf(node: Node): Setting[] {
  return alternativesOf(node).flatMap(({ items = [] }) => [items].flat().flatMap((item) => settingsIn(item, '')));
}

/** Properties of an object, or of every object that may stand there. */
function propertiesOf(node: Node): Readonly<Record<string, Node>> {
  const found: Record<string, Node> = {};
  const objects = alternativesOf(node).flatMap(({ properties }) => (properties === undefined ? [] : [properties]));
  for (const properties of objects) {
    const kind = hasKinds(node) ? properties['kind']?.const : undefined;
    for (const [name, value] of Object.entries(properties)) {
      const isShared = objects.every((object) => object[name]?.description === value.description);
      const own = kind === undefined || isShared ? value : { ...value, description: `${kind}: ${value.description}` };
      const other = found[name];
      found[name] = other === undefined ? own : either(other, own);
    }
  }
  return found;
}

function hasKinds({ oneOf, anyOf = [] }: Node): boolean {
  return oneOf !== undefined || anyOf.some(hasKinds);
}

/** A property that several objects have. */
function either(a: Node, b: Node): Node {
  return {
    anyOf: [...alternativesOf(a), b],
    description: [...new Set([a.description, b.description])].join(' '),
    default: a.default ?? b.default,
  };
}

function alternativesOf(node: Node): readonly Node[] {
  return (node.anyOf ?? node.oneOf)?.flatMap(alternativesOf) ?? [node];
}

/** Neither an object, nor a list of what may stand there alone. */
function isPlain({ properties, type, items }: Node): boolean {
  const isList = [items ?? []].flat().some((item) => hasKinds(item) || item.properties !== undefined);
  return properties === undefined && type !== 'null' && !isList;
}

function takesOf(node: Node): string {
  const { anyOf, oneOf, type, items, format } = node;
  const separator = anyOf?.every((one) => one.const !== undefined) ? ', ' : ', or ';
  if (anyOf !== undefined) return [...new Set(anyOf.map(takesOf))].join(separator);
  if (oneOf !== undefined) return 'object';
  if (Array.isArray(type)) return type.map((one) => takesOf({ ...node, type: one })).join(', or ');
  if (node.enum !== undefined) return node.enum.join(', ');
  if (node.const !== undefined) return String(node.const);
  if (type === 'integer') return `whole number${rangeOf(node)}`;
  if (type === 'number') return `number${rangeOf(node)}`;
  if (type === 'boolean') return 'true, false';
  if (type === 'string') return format === 'uri' ? 'an address that begins with http:// or https://' : 'text';
  if (type === 'array')
    return `list of ${Array.isArray(items) ? `${items.length} ` : ''}${pluralOf([items].flat()[0])}`;
  return String(type ?? 'anything');
}

function pluralOf(element: Node | undefined): string {
  const type = element !== undefined && hasKinds(element) ? 'object' : String(element?.type ?? 'value');
  return type === 'string' ? 'texts' : `${type}s`;
}

function rangeOf({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  // zod bounds every integer by what a double holds exactly: no news to a reader.
  const safe = (value: number | undefined) => value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  const bounds: string[] = [];
  if (safe(minimum)) bounds.push(`of at least ${minimum}`);
  if (safe(exclusiveMinimum))
    bounds.push(type === 'integer' ? `of at least ${(exclusiveMinimum ?? 0) + 1}` : `above ${exclusiveMinimum}`);
  if (safe(maximum)) bounds.push(`at most ${maximum}`);
  if (safe(exclusiveMaximum)) bounds.push(`below ${exclusiveMaximum}`);
  return bounds.length === 0 ? '' : ` ${bounds.join(' and ')}`;
}
