// A reply that may not be there yet -> its view, or words that say why not.
import type { ComponentChildren } from 'preact';
import type { Known } from '../state/server.ts';
import { Note } from './marks.tsx';

interface LoadedProps<T> {
  readonly reply: Known<T>;
  readonly children: (data: T) => ComponentChildren;
}

export function Loaded<T>({ reply: { data, error, waiting }, children }: LoadedProps<T>) {
  return (
    <>
      {error !== null && (
        <div role="alert">
          <Note kind="fault">{error}</Note>
        </div>
      )}
      {data !== null && children(data)}
      {data === null && error === null && waiting && <Note kind="waiting">Reading …</Note>}
    </>
  );
}
