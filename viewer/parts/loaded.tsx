// A reply that may not be there yet -> its view, or words that say why not.
import type { ComponentChildren } from 'preact';
import { useApp } from '../state/app.ts';
import type { Known } from '../state/server.ts';
import { Note } from './marks.tsx';

interface LoadedProps<T> {
  readonly reply: Known<T>;
  readonly children: (data: T) => ComponentChildren;
}

export function Loaded<T>({ reply: { data, error, waiting }, children }: LoadedProps<T>) {
  const { live } = useApp();
  // The frame tells what all requests meet.
  const own = error === live.error.value ? null : error;
  return (
    <>
      {own !== null && (
        <div role="alert">
          <Note kind="fault">{own}</Note>
        </div>
      )}
      {data !== null && children(data)}
      {data === null && error === null && waiting && <Note kind="waiting">Reading …</Note>}
    </>
  );
}
