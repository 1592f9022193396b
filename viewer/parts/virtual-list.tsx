// A number of rows of one height -> the rows that are seen, drawn as they scroll by.
import { Component, type ComponentChildren, type RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { keepScroll, scrollOf } from '../state/route.ts';
import { ROWS, rowAt, tableOf } from './cells.tsx';
import { heightOf, offsetToSee, type Place, rowsAt, type Sizes, scrollAt, scrolled } from './virtual-window.ts';

interface VirtualListProps {
  readonly label: string;
  /** Cells of the row above all; they stay in sight. */
  readonly head: ComponentChildren;
  readonly rows: number;
  readonly rowHeight: number;
  /** The row that keys act on; it is kept in sight when it changes. */
  readonly current: number;
  readonly row: (index: number) => ComponentChildren;
  /** Which rows are drawn. */
  readonly onDrawn: (first: number, end: number) => void;
}

/** Two lines on a phone, as the style has them. */
export function rowHeightOf(window: Window): number {
  return window.matchMedia('(max-width: 700px)').matches ? 52 : 30;
}

const SPARE = 12;
const REST_MS = 120;
const HEAD_HEIGHT = 28;

export function VirtualList({ label, head, rows, rowHeight, current, row, onDrawn }: VirtualListProps) {
  const element = useRef<HTMLElement>(null);
  const list = useScrolling(element, { rows, rowHeight });
  const { place, sizes } = list;
  useRestored(rows, list.moveTo);
  useInSight(current, list);
  const [first, end] = rowsAt(place.offset, sizes, SPARE);
  useLayoutEffect(() => onDrawn(first, end), [first, end, onDrawn]);
  const drawn = Array.from({ length: end - first }, (_, i) => first + i);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroller" ref={element} tabIndex={0} aria-label={label}>
      <div {...tableOf(label, rows)}>
        <div {...ROWS} class="list-head">
          <div {...rowAt(1)} class="row" style={{ height: `${HEAD_HEIGHT}px` }}>
            {head}
          </div>
        </div>
        <div {...ROWS} class="rows" style={{ height: `${heightOf(sizes)}px` }}>
          {drawn.map((index) => (
            <div
              {...rowAt(index + 2)}
              key={index}
              class={index === current ? 'row current' : 'row'}
              aria-current={index === current ? 'true' : undefined}
              style={{ height: `${rowHeight}px`, transform: `translateY(${topOf(index, place, rowHeight)}px)` }}
            >
              <Kept index={index} row={row} />
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}

type KeptProps = Pick<VirtualListProps, 'row'> & { readonly index: number };

/** A row's cells, which a scroll does not draw again: the list's owner gives another `row` where they changed. */
class Kept extends Component<KeptProps> {
  override shouldComponentUpdate({ row }: KeptProps): boolean {
    return row !== this.props.row;
  }

  override render({ index, row }: KeptProps): ComponentChildren {
    return row(index);
  }
}

function topOf(index: number, { scroll, offset }: Place, rowHeight: number): number {
  return scroll + index * rowHeight - offset;
}

interface Scrolling {
  readonly place: Place;
  readonly sizes: Sizes;
  readonly moveTo: (offset: number) => void;
}

/** Where the list is: follows its element, and moves it. */
function useScrolling(element: RefObject<HTMLElement | null>, { rows, rowHeight }: Omit<Sizes, 'viewport'>): Scrolling {
  const [viewport, setViewport] = useState(600);
  const [place, setPlace] = useState<Place>({ scroll: 0, offset: 0 });
  const sizes: Sizes = { rows, rowHeight, viewport };
  const latest = useRef({ place, sizes });
  latest.current = { place, sizes };
  const put = (to: Place): void => {
    latest.current = { ...latest.current, place: to };
    setPlace(to);
  };
  const moveTo = (offset: number): void => {
    const scroll = scrollAt(offset, latest.current.sizes);
    put({ scroll, offset });
    if (element.current !== null) element.current.scrollTop = scroll;
  };
  useLayoutEffect(() => {
    const scroller = element.current;
    if (scroller === null) return;
    const observer = new ResizeObserver(() => setViewport(Math.max(0, scroller.clientHeight - HEAD_HEIGHT)));
    observer.observe(scroller);
    let rest: ReturnType<typeof setTimeout> | undefined;
    const onRest = (): void => {
      const { offset, scroll } = latest.current.place;
      if (Math.abs(scrollAt(offset, latest.current.sizes) - scroll) > 1) moveTo(offset);
      keepScroll(window, offset);
    };
    const onScroll = (): void => {
      const { place: before, sizes: now } = latest.current;
      put(scrolled(before, scroller.scrollTop, now));
      clearTimeout(rest);
      rest = setTimeout(onRest, REST_MS);
    };
    scroller.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      clearTimeout(rest);
      observer.disconnect();
      scroller.removeEventListener('scroll', onScroll);
    };
  }, []);
  return { place, sizes, moveTo };
}

/** Back in the history is back in the list, once it has its rows. */
function useRestored(rows: number, moveTo: (offset: number) => void): void {
  const isDone = useRef(false);
  useLayoutEffect(() => {
    if (isDone.current || rows === 0) return;
    isDone.current = true;
    const offset = scrollOf(window);
    if (offset > 0) moveTo(offset);
  }, [rows]);
}

function useInSight(current: number, { place, sizes, moveTo }: Scrolling): void {
  const before = useRef(current);
  useLayoutEffect(() => {
    if (before.current === current) return;
    before.current = current;
    const wanted = offsetToSee(current, place.offset, sizes);
    if (wanted !== place.offset) moveTo(wanted);
  }, [current]);
}
