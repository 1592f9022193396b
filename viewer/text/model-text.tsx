// Text of a model -> text nodes in an isolate, with marks for what is not seen.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { piecesOf, sizeOf, startOf } from './marks.ts';

/** Longer texts are cut until the reader asks for more: a browser lays out a million characters for minutes. */
const FIRST = 4000;
const MORE = 20_000;

/** One piece of text without a cut, as it is inside other parts. */
export function Plain({ text }: { readonly text: string }) {
  const pieces = useMemo(() => piecesOf(text), [text]);
  return (
    <bdi>
      {pieces.map((piece) =>
        piece.kind === 'text' ? (
          piece.text
        ) : (
          <span class="unseen" title={piece.title}>
            {piece.count === 1 ? piece.name : `${piece.name} ×${piece.count}`}
          </span>
        ),
      )}
    </bdi>
  );
}

interface CutProps {
  readonly text: string;
  /** Shows the part of the text that is not cut away. */
  readonly show: (shown: string) => ComponentChildren;
}

/** Shows the first part of a long text, with a button for more of it. */
export function Cut({ text, show }: CutProps) {
  const [length, setLength] = useState(FIRST);
  if (text.length <= length) return <>{show(text)}</>;
  return (
    <>
      {show(startOf(text, length))}
      <button type="button" class="more" onClick={() => setLength(length + MORE)}>
        … show more of {sizeOf(text)}
      </button>
    </>
  );
}

/** A text with its line feeds. */
export function ModelText({ text }: { readonly text: string }) {
  if (text === '') return <span class="dim">(empty)</span>;
  return (
    <div class="model-text">
      <Cut text={text} show={(shown) => <Plain text={shown} />} />
    </div>
  );
}
