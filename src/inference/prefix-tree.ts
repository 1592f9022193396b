// Contexts that requests will need -> a radix tree of prefixes with the rows computed so far.
import type { KvCache, KvRows } from './kv-cache.ts';

/** Consecutive tokens that follow those of the parents. */
export interface PrefixNode {
  readonly tokens: readonly number[];
  /** Absent: not computed (yet, or any more). A computed node's parents are computed too. */
  readonly rows: KvRows | null;
}

interface MutableNode extends PrefixNode {
  tokens: readonly number[];
  rows: KvRows | null;
  parent: MutableNode | null;
  /** By first token, in the order of arrival. */
  readonly children: Map<number, MutableNode>;
  /** Contexts ahead that run through this node. */
  wanted: number;
  lastUsed: number;
}

function makeNode(tokens: readonly number[], parent: MutableNode | null): MutableNode {
  return { tokens, rows: null, parent, children: new Map(), wanted: 0, lastUsed: 0 };
}

/** What one unit of work has computed and will need. Every wanted context ends at the end of a node. */
export class PrefixTree {
  readonly #cache: Pick<KvCache, 'split' | 'drop'>;
  readonly #tokenBytes: number;
  readonly #root = makeNode([], null);
  #bytes = 0;
  #clock = 0;

  /** @param cache what the rows are of; @param tokenBytes bytes that a token's keys and values take. */
  constructor(cache: Pick<KvCache, 'split' | 'drop'>, tokenBytes: number) {
    this.#cache = cache;
    this.#tokenBytes = tokenBytes;
  }

  /** Bytes of keys and values kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Says that `tokens` will be needed once more. */
  want(tokens: readonly number[]): void {
    for (const node of this.#descend(tokens)) node.wanted++;
  }

  /** Takes one `want` back, once the tokens were used. */
  release(tokens: readonly number[]): void {
    const path = this.#path(tokens);
    this.#clock++;
    for (const node of path) {
      node.wanted--;
      node.lastUsed = this.#clock;
    }
    for (const node of path.reverse()) if (node.wanted === 0 && !node.rows && node.children.size === 0) remove(node);
  }

  /** The nodes of a wanted context, from its beginning to its end. */
  path(tokens: readonly number[]): readonly PrefixNode[] {
    return this.#path(tokens);
  }

  /** Nodes not computed on the way to a wanted context's end and, past it, on the way of the first context that continues; `limit` tokens at most. */
  missing(tokens: readonly number[], limit: number): { past: readonly PrefixNode[]; nodes: readonly PrefixNode[] } {
    const path = this.#path(tokens);
    const past = path.filter((node) => node.rows);
    const nodes: MutableNode[] = [];
    let room = limit;
    let next: MutableNode | undefined = path[past.length];
    while (next && room > 0) {
      const node: MutableNode = next.tokens.length > room ? this.#split(next, room) : next;
      nodes.push(node);
      room -= node.tokens.length;
      if (node !== next) break;
      const place = path.indexOf(node);
      next = (place < 0 ? undefined : path[place + 1]) ?? firstWanted(node);
    }
    return { past, nodes };
  }

  /** Keeps what was computed for consecutive nodes; `rows` covers all their tokens. */
  store(nodes: readonly PrefixNode[], rows: KvRows): void {
    let rest = rows;
    for (const node of nodes as readonly MutableNode[]) {
      const whole = rest.tokens === node.tokens.length;
      const [first, others] = whole ? [rest, rest] : this.#cache.split(rest, node.tokens.length);
      node.rows = first;
      node.lastUsed = ++this.#clock;
      rest = others;
      this.#bytes += this.#sizeOf(node);
    }
  }

  /** Keeps the rows of a sequence that somebody else computed; `rowsOf(from, to)` copies them. Only what wanted contexts can use is kept. */
  async adopt(tokens: readonly number[], rowsOf: (from: number, to: number) => Promise<KvRows>): Promise<void> {
    let node = this.#root;
    let depth = 0;
    while (depth < tokens.length) {
      const child = node.children.get(tokens[depth] as number);
      if (!child) return;
      const shared = sharedLength(child.tokens, tokens, depth);
      const part = shared < child.tokens.length;
      if (part && child.rows) return;
      node = part ? this.#split(child, shared) : child;
      if (!node.rows) this.store([node], await rowsOf(depth, depth + shared));
      if (part) return;
      depth += shared;
    }
  }

  /** Forgets computed ends until at most `limit` bytes are kept: first those that no context ahead needs, the least recently used first. */
  evict(limit: number, needed: readonly PrefixNode[] = []): void {
    while (this.#bytes > limit) {
      const ends = this.#computedEnds().filter((node) => !needed.includes(node));
      const [victim] = ends.sort((a, b) => Number(a.wanted > 0) - Number(b.wanted > 0) || a.lastUsed - b.lastUsed);
      if (!victim) return;
      this.#forget(victim);
      if (victim.wanted === 0 && victim.children.size === 0) remove(victim);
    }
  }

  /** Gives up all rows. */
  clear(): void {
    for (let ends = this.#computedEnds(); ends.length > 0; ends = this.#computedEnds()) {
      for (const node of ends) this.#forget(node);
    }
  }

  #forget(node: MutableNode): void {
    this.#cache.drop(node.rows as KvRows);
    this.#bytes -= this.#sizeOf(node);
    node.rows = null;
  }

  #sizeOf(node: MutableNode): number {
    return node.tokens.length * this.#tokenBytes;
  }

  #computedEnds(node: MutableNode = this.#root): MutableNode[] {
    const children = [...node.children.values()].filter(({ rows }) => rows);
    if (children.length === 0) return node === this.#root ? [] : [node];
    return children.flatMap((child) => this.#computedEnds(child));
  }

  #path(tokens: readonly number[]): MutableNode[] {
    const path: MutableNode[] = [];
    let node = this.#root;
    for (let depth = 0; depth < tokens.length; depth += node.tokens.length) {
      const child = node.children.get(tokens[depth] as number);
      if (!child) throw new Error('A context that was never wanted');
      node = child;
      path.push(node);
    }
    return path;
  }

  /** The path of `tokens`, made where it is missing, ending at the end of a node. */
  #descend(tokens: readonly number[]): MutableNode[] {
    const path: MutableNode[] = [];
    let node = this.#root;
    for (let depth = 0; depth < tokens.length; depth += node.tokens.length) {
      const child = node.children.get(tokens[depth] as number);
      if (child) {
        const shared = sharedLength(child.tokens, tokens, depth);
        node = shared < child.tokens.length ? this.#split(child, shared) : child;
      } else {
        const added = makeNode(tokens.slice(depth), node);
        node.children.set(tokens[depth] as number, added);
        node = added;
      }
      path.push(node);
    }
    return path;
  }

  /** Cuts a node in two; returns the new first part. */
  #split(node: MutableNode, at: number): MutableNode {
    const parent = node.parent as MutableNode;
    const first = makeNode(node.tokens.slice(0, at), parent);
    first.wanted = node.wanted;
    first.lastUsed = node.lastUsed;
    if (node.rows) [first.rows, node.rows] = this.#cache.split(node.rows, at);
    node.tokens = node.tokens.slice(at);
    node.parent = first;
    parent.children.set(first.tokens[0] as number, first);
    first.children.set(node.tokens[0] as number, node);
    return first;
  }
}

function remove(node: MutableNode): void {
  node.parent?.children.delete(node.tokens[0] as number);
}

function firstWanted(node: MutableNode): MutableNode | undefined {
  return [...node.children.values()].find((child) => child.wanted > 0 && !child.rows);
}

function sharedLength(nodeTokens: readonly number[], tokens: readonly number[], depth: number): number {
  let n = 0;
  while (n < nodeTokens.length && depth + n < tokens.length && nodeTokens[n] === tokens[depth + n]) n++;
  return n;
}
