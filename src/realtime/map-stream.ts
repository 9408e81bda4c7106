/**
 * A stream of what `map` makes of each item; null leaves the item out.
 *
 * Use this and not an `async function*` around a stream: a generator queues `return()` behind the `next()` that still
 * waits, so that a client's unsubscribing would only take effect at the next event, and the subscription would leak
 * until then. When `map` throws, the source is ended and the error goes to the consumer.
 */
export function mapStream<Item, Mapped>(
  source: AsyncIterableIterator<Item, undefined>,
  map: (item: Item) => Mapped | null | Promise<Mapped | null>,
): AsyncIterableIterator<Mapped, undefined> {
  const end = async () => {
    await source.return?.(undefined);
    return { done: true, value: undefined } as const;
  };
  return {
    async next() {
      for (;;) {
        const { done, value } = await source.next();
        if (done) return { done: true, value: undefined };
        try {
          const mapped = await map(value);
          if (mapped !== null) return { done: false, value: mapped };
        } catch (error) {
          await end();
          throw error;
        }
      }
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
