// A long list's rows -> how many they are, or why they are not here.
import type { ComponentChildren } from 'preact';
import { Note } from './marks.tsx';

interface FoundProps {
  readonly rows: { readonly total: number | null; readonly error: string | null };
  readonly children: (total: number) => ComponentChildren;
}

export function Found({ rows: { total, error }, children }: FoundProps) {
  if (error !== null) {
    return (
      <div role="alert">
        <Note kind="fault">{error}</Note>
      </div>
    );
  }
  return (
    <p class="found" role="status">
      {total === null ? 'Reading …' : children(total)}
    </p>
  );
}
