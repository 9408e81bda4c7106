import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LARGEST_FILE_BYTES } from '../../src/microsoft365/mail-upload.ts';
import { createUploadSessions } from '../../src/microsoft365/upload-session.ts';
import { systemClock } from '../../src/platform/clock.ts';

/*
 * The largest file goes to an upload session with little of it in memory. What takes the ranges here keeps their hash alone, so
 * that what is measured is ours; the emulator would keep them.
 */

const MEGABYTE = 1_000_000;
/** A range of 4 MB, what the network holds of it, and what the server has not yet let go of. */
const MOST_GROWTH = 48 * MEGABYTE;

/** Collects garbage: what is left is held by somebody. */
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** What buffers and objects take. */
function taken(): number {
  // Twice: what the first one finds of buffers is given back by another thread, and the second waits for that.
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let server: Server;
const came = createHash('sha256');
let bytes = 0;
beforeAll(async () => {
  server = createServer(takeRange);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server?.close(resolve)));

/** Answers as Outlook does: where to go on, and 201 in the end. */
async function takeRange(request: IncomingMessage, response: ServerResponse): Promise<void> {
  for await (const chunk of request as AsyncIterable<Buffer>) {
    came.update(chunk);
    bytes += chunk.length;
  }
  response.writeHead(bytes < LARGEST_FILE_BYTES ? 200 : 201, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ NextExpectedRanges: [String(bytes)] }));
}

test('150 MB go to Microsoft with less than 48 MB of it in memory', async () => {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const uploads = createUploadSessions({
    overrides: { loginUrl: null, graphUrl: origin },
    clock: systemClock,
    observer: {},
    random: () => 0,
  });
  const scope = {
    signal: AbortSignal.timeout(120_000),
    counter: { requests: 0 },
  } as Parameters<typeof uploads.send>[3];
  const read = createHash('sha256');
  const before = taken();
  let most = before;
  const source = {
    sizeBytes: LARGEST_FILE_BYTES,
    async *read() {
      // Of its own each time: one that is sent again and again would take no memory if it was kept.
      for (let at = 0; at < LARGEST_FILE_BYTES; at += MEGABYTE) {
        const piece = Buffer.alloc(MEGABYTE, (at / MEGABYTE) % 251);
        read.update(piece);
        yield piece;
        if (at % (15 * MEGABYTE) === 0) most = Math.max(most, taken());
      }
    },
  };
  expect(await uploads.send(`${origin}/session`, source, 0, scope)).toBe('DONE');
  expect(bytes).toBe(LARGEST_FILE_BYTES);
  expect(came.digest('hex')).toBe(read.digest('hex'));
  expect(scope.counter?.requests).toBe(39);
  expect(most - before).toBeLessThan(MOST_GROWTH);
}, 180_000);
