// A list's length and the address -> the row that keys act on; j, k and the arrows move it.
import { useApp, useKeys } from './app.ts';
import { changed, wholeIn } from './route.ts';

/** The current row is in the address, so that back returns to it. `total` is null while it is not known. */
export function useCurrentRow(total: number | null): readonly [current: number, set: (to: number) => void] {
  const { router } = useApp();
  const { page, query } = router.route.value;
  const inside = (row: number): number => Math.max(0, total === null ? row : Math.min(total - 1, row));
  const current = inside(wholeIn(query, 'at') ?? 0);
  const set = (to: number): void => {
    const at = inside(to);
    router.replace({ page, query: changed(router.route.peek().query, { at: at === 0 ? null : String(at) }) });
  };
  useKeys({
    j: () => set(current + 1),
    ArrowDown: () => set(current + 1),
    k: () => set(current - 1),
    ArrowUp: () => set(current - 1),
  });
  return [current, set];
}
