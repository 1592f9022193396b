// A place in a list -> links up to the list, and to what is before and after.
import { hrefOf, type Route } from '../state/route.ts';
import { count } from '../text/format.ts';

interface CrumbsProps {
  readonly up: Route;
  readonly words: string;
  readonly at: number | null;
  readonly total: number | null;
  readonly before: Route | null;
  readonly after: Route | null;
}

export function Crumbs({ up, words, at, total, before, after }: CrumbsProps) {
  return (
    <nav class="crumbs" aria-label="Place in the list">
      <a href={hrefOf(up)}>{words}</a>
      {at !== null && (
        <span class="dim">
          {count(at + 1)}
          {total !== null && ` of ${count(total)}`}
        </span>
      )}
      {before !== null && <a href={hrefOf(before)}>← before</a>}
      {after !== null && <a href={hrefOf(after)}>next →</a>}
    </nav>
  );
}
