// A table that may be too wide -> a box that scrolls, reached by keyboard where it does.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface WideProps {
  readonly label: string;
  readonly children: ComponentChildren;
}

/** A named group is no landmark, of which a page would have too many. */
function groupOf(label: string) {
  return { role: 'group', 'aria-label': label } as const;
}

export function Wide({ label, children }: WideProps) {
  const box = useRef<HTMLDivElement>(null);
  const [isScrolled, setScrolled] = useState(false);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = (): void =>
      setScrolled(element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    if (element.firstElementChild !== null) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={box} class="wide" {...groupOf(label)} tabIndex={isScrolled ? 0 : undefined}>
      {children}
    </div>
  );
}
