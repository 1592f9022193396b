// Items and a call for each -> the calls made, some at a time.

/**
 * Begins the calls in the order of the items, at most `most()` at a time. Where one fails no other begins, and those that have begun end first.
 * @throws the first error of a call, and what `items` throws.
 */
export async function eachAtOnce<T>(
  items: AsyncIterable<T>,
  most: () => number,
  call: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  const failures: { readonly thrown: unknown }[] = [];
  const run = async (item: T): Promise<void> => {
    try {
      await call(item);
    } catch (thrown) {
      failures.push({ thrown });
    }
  };
  try {
    for await (const item of items) {
      const one: Promise<void> = run(item).finally(() => running.delete(one));
      running.add(one);
      while (running.size >= most()) await Promise.race(running);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(running);
  }
  for (const { thrown } of failures) throw thrown;
}
