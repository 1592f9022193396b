// A program -> spans of its tokens, made from highlight.js's tree (never from its HTML).
import hljs from 'highlight.js/lib/core';
import python from 'highlight.js/lib/languages/python';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { Cut, Plain } from './model-text.tsx';

hljs.registerLanguage('python', python);

/** A node of the tree that highlight.js builds before it writes HTML. */
interface TokenNode {
  readonly scope?: string;
  readonly children: readonly (TokenNode | string)[];
}

interface WithTree {
  readonly _emitter: { readonly rootNode: TokenNode };
}

export function Code({ text }: { readonly text: string }) {
  return (
    <pre class="model-text code">
      <Cut text={text} show={(shown) => <Highlighted text={shown} />} />
    </pre>
  );
}

/** Longer programs are shown without colours: the grammar is slow on hostile text. */
const LONGEST = 20_000;

function Highlighted({ text }: { readonly text: string }) {
  const tree = useMemo(() => (text.length > LONGEST ? null : treeOf(text)), [text]);
  return tree === null ? <Plain text={text} /> : childrenOf(tree);
}

function treeOf(text: string): TokenNode | null {
  const result: unknown = hljs.highlight(text, { language: 'python', ignoreIllegals: true });
  return hasTree(result) ? result._emitter.rootNode : null;
}

function hasTree(result: unknown): result is WithTree {
  return typeof result === 'object' && result !== null && '_emitter' in result;
}

function childrenOf(node: TokenNode): ComponentChildren {
  return node.children.map((child) => {
    if (typeof child === 'string') return <Plain text={child} />;
    return <span class={`code-${(child.scope ?? '').split('.')[0]}`}>{childrenOf(child)}</span>;
  });
}
