// Scroll positions -> the rows that are seen; browsers limit the height of an element.

/** Higher elements are not reliable (Firefox ends near 17.8 million pixels, Chromium near 33.5 million). */
export const MOST_PIXELS = 8_000_000;

/** A pixel of the scroll bar of such an element is more than this, a turn of a wheel less. */
const JUMP = 10_000;

export interface Sizes {
  readonly rows: number;
  readonly rowHeight: number;
  readonly viewport: number;
}

export interface Place {
  /** Of the scrolled element. */
  readonly scroll: number;
  /** Pixels of the whole list above the viewport. */
  readonly offset: number;
}

/** Of the element that scrolls: the list's height, or as much of it as browsers carry. */
export function heightOf({ rows, rowHeight }: Sizes): number {
  return Math.min(rows * rowHeight, MOST_PIXELS);
}

function mostOffset({ rows, rowHeight, viewport }: Sizes): number {
  return Math.max(0, rows * rowHeight - viewport);
}

function mostScroll(sizes: Sizes): number {
  return Math.max(0, heightOf(sizes) - sizes.viewport);
}

function isScaled({ rows, rowHeight }: Sizes): boolean {
  return rows * rowHeight > MOST_PIXELS;
}

/** The offset that belongs to a scroll position at rest. */
export function offsetAt(scroll: number, sizes: Sizes): number {
  const most = mostScroll(sizes);
  const share = isScaled(sizes) ? mostOffset(sizes) / most : 1;
  return Math.min(scroll, most) * share;
}

/** The scroll position that belongs to an offset. */
export function scrollAt(offset: number, sizes: Sizes): number {
  const most = mostOffset(sizes);
  const share = isScaled(sizes) ? mostScroll(sizes) / most : 1;
  return Math.round(Math.min(offset, most) * share);
}

/**
 * Where the list is after its element was scrolled. A small move is that many pixels of the list, a jump (the scroll bar) is a share of it.
 * At both ends the list is at its end.
 */
export function scrolled(before: Place, scroll: number, sizes: Sizes): Place {
  const move = scroll - before.scroll;
  const isEnd = scroll <= 0 || scroll >= mostScroll(sizes);
  if (!isScaled(sizes) || isEnd || Math.abs(move) > JUMP) return { scroll, offset: offsetAt(scroll, sizes) };
  return { scroll, offset: Math.min(mostOffset(sizes), Math.max(0, before.offset + move)) };
}

/** First row to draw and the one after the last; `spare` rows before and after what is seen. */
export function rowsAt(offset: number, sizes: Sizes, spare: number): readonly [number, number] {
  const first = Math.max(0, Math.floor(offset / sizes.rowHeight) - spare);
  const end = Math.ceil((offset + sizes.viewport) / sizes.rowHeight) + spare;
  return [Math.min(first, sizes.rows), Math.min(end, sizes.rows)];
}

/** The offset that brings a row into sight; the present one where it is seen already. */
export function offsetToSee(row: number, offset: number, sizes: Sizes): number {
  const top = row * sizes.rowHeight;
  if (top < offset) return top;
  return Math.max(offset, top + sizes.rowHeight - sizes.viewport);
}
