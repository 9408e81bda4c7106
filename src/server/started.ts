/**
 * Reads the first piece of a stream and gives the whole, the first piece at its beginning. Throws what reading it throws:
 * so it can still be answered with a status of its own.
 */
export async function started(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  return {
    async *[Symbol.asyncIterator]() {
      if (first.done) return;
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => iterator };
    },
  };
}
