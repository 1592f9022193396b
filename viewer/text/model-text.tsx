// Text of a model -> text nodes in an isolate, with marks for what is not seen.
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { piecesOf, sizeOf } from './marks.ts';

/** Longer texts are cut until the reader asks for all. */
const SHOWN = 4000;

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

/** Shows the first part of a long text, with a button for the rest. */
export function Cut({ text, show }: CutProps) {
  const [all, setAll] = useState(false);
  if (text.length <= SHOWN || all) return <>{show(text)}</>;
  return (
    <>
      {show(text.slice(0, SHOWN))}
      <button type="button" class="more" onClick={() => setAll(true)}>
        … show all {sizeOf(text)}
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
