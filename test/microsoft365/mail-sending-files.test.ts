import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { GraphError } from '../../src/microsoft365/graph-error.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import type { MailSending, OutgoingFile, UploadProgress } from '../../src/microsoft365/mail-sending.ts';
import { createUploadSessions } from '../../src/microsoft365/upload-session.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';
import { outgoing, sender } from './sending-harness.ts';

let stage: Stage;
let sending: MailSending;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  sending = stage.microsoft365.sending;
});
afterAll(() => stage[Symbol.asyncDispose]());

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});
const UPLOADS = 'AttachmentSessions';
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const failure = (work: Promise<unknown>): Promise<GraphError> =>
  work.then(
    () => {
      throw new Error('It did not fail.');
    },
    (error: GraphError) => error,
  );

/** A file whose bytes all differ, and the places from which it was read. */
function fileOf(sizeBytes: number, given: Partial<OutgoingFile> = {}) {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE(at, at);
  const readFrom: number[] = [];
  const file: OutgoingFile = {
    name: 'plan.pdf',
    contentType: 'application/pdf',
    sizeBytes,
    contentId: `file-${sizeBytes}@deskgraph`,
    isInline: false,
    async *read(fromByte) {
      readFrom.push(fromByte);
      for (let at = fromByte; at < bytes.length; at += 1_000_003) yield bytes.subarray(at, at + 1_000_003);
    },
    ...given,
  };
  return { bytes, file, readFrom };
}

async function draftOf(): Promise<{ access: MailboxAccess; id: string }> {
  const access = await sender(stage);
  const { graphMessageId } = await sending.createDraft(access, outgoing(access), signal);
  return { access, id: graphMessageId };
}

/** Adds the fault until the work is done. */
async function during<T>(fault: Record<string, unknown>, work: () => Promise<T>): Promise<T> {
  const { id } = (await stage.control('POST', '/faults', { pathPattern: UPLOADS, ...fault })) as {
    id: string;
  };
  try {
    return await work();
  } finally {
    await stage.control('DELETE', `/faults/${id}`).catch(() => undefined);
  }
}

async function contentsOf(access: MailboxAccess, id: string): Promise<string[]> {
  const digests: string[] = [];
  for (const { graphAttachmentId } of await sending.listDraftFiles(access, id, signal)) {
    const chunks: Uint8Array[] = [];
    const stream = await stage.microsoft365.mail.readAttachment(access, id, graphAttachmentId, signal);
    for await (const chunk of stream) chunks.push(chunk);
    digests.push(digest(Buffer.concat(chunks)));
  }
  return digests;
}

test('a small file goes in one request and is listed with its content id', async () => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(10_000, { isInline: true });
  const counter = { requests: 0 };
  await sending.withCounter(counter).addFile(access, id, file, { signal });
  expect(counter.requests).toBe(1);
  expect(await sending.listDraftFiles(access, id, signal)).toEqual([
    { graphAttachmentId: expect.any(String), name: 'plan.pdf', contentId: file.contentId },
  ]);
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test('a large file goes in ranges, and its session is told before the first of them', async () => {
  const { access, id } = await draftOf();
  const { bytes, file, readFrom } = fileOf(9_000_001);
  const counter = { requests: 0 };
  let before = 0;
  await sending.withCounter(counter).addFile(access, id, file, {
    signal,
    onSession: async ({ expiresAt }) => {
      before = counter.requests;
      expect(expiresAt.getTime()).toBeGreaterThan(systemClock.now().getTime());
    },
  });
  // The session, then three ranges below 4 MB.
  expect([before, counter.requests]).toEqual([1, 4]);
  expect(readFrom).toEqual([0]);
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test.each([3_000_000, 3_000_001, 3_144_000, 3_145_728])('a file of %i bytes is taken', async (sizeBytes) => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(sizeBytes);
  await sending.addFile(access, id, file, { signal });
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test.each([
  ['reset', { reset: true }],
  ['answered 500', { status: 500 }],
  ['throttled', { status: 429, retryAfterSeconds: 0.01 }],
  ['taken, and its answer lost', { reset: true, afterwards: true }],
])('a range that is %s is gone on with', async (_name, fault) => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(9_000_001);
  const sessions: UploadProgress[] = [];
  await during({ method: 'PUT', count: 1, ...fault }, () =>
    sending.addFile(access, id, file, { signal, onSession: async (session) => void sessions.push(session) }),
  );
  expect(sessions.length).toBe(1);
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test('a file whose last answer is lost is on the draft once', async () => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(3_500_000);
  await during({ method: 'PUT', count: 1, reset: true, afterwards: true }, () =>
    sending.addFile(access, id, file, { signal }),
  );
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test('an upload that was broken off is gone on with where Microsoft is', async () => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(9_000_001);
  const sessions: UploadProgress[] = [];
  const stop = new AbortController();
  const broken = {
    ...file,
    async *read(fromByte: number) {
      let sent = 0;
      for await (const chunk of file.read(fromByte)) {
        // Killed in the middle of the second range.
        if (sent > 6_000_000) stop.abort(new Error('killed'));
        sent += chunk.length;
        yield chunk;
      }
    },
  };
  const options = {
    signal: stop.signal,
    onSession: async (told: UploadProgress) => void sessions.push(told),
  };
  await expect(sending.addFile(access, id, broken, options)).rejects.toThrow('killed');
  const again = fileOf(9_000_001);
  await sending.addFile(access, id, again.file, { signal, resume: sessions[0] ?? null });
  expect(again.readFrom).toEqual([3_932_160]);
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test.each([401, 404, 410])('a session that has ended (%i) is followed by a new one', async (status) => {
  const { access, id } = await draftOf();
  const { bytes, file } = fileOf(4_000_000);
  const sessions: UploadProgress[] = [];
  await during({ method: 'PUT', count: 1, status }, () =>
    sending.addFile(access, id, file, { signal, onSession: async (session) => void sessions.push(session) }),
  );
  expect(sessions.length).toBe(2);
  expect(await contentsOf(access, id)).toEqual([digest(bytes)]);
});

test('an upload whose session is over begins anew', async () => {
  const first = await draftOf();
  const sessions: UploadProgress[] = [];
  const { bytes, file } = fileOf(4_000_000);
  const onSession = async (session: UploadProgress) => void sessions.push(session);
  await sending.addFile(first.access, first.id, file, { signal, onSession });
  const second = await draftOf();
  await sending.addFile(second.access, second.id, file, { signal, onSession, resume: sessions[0] ?? null });
  expect(sessions.length).toBe(2);
  expect(await contentsOf(second.access, second.id)).toEqual([digest(bytes)]);
});

test('a pause that uploads are told is the caller’s to sit out, and no pause of the mailbox', async () => {
  const { access, id } = await draftOf();
  const error = await during({ method: 'PUT', status: 429, retryAfterSeconds: 240 }, () =>
    failure(sending.addFile(access, id, fileOf(4_000_000).file, { signal })),
  );
  expect([error.code, error.retryAfterMilliseconds]).toEqual(['THROTTLED', 240_000]);
  expect(await sending.listDraftFiles(access, id, signal)).toEqual([]);
});

test('a file above 150 MB is refused before anything is asked', async () => {
  const access = await sender(stage);
  const counter = { requests: 0 };
  const { file } = fileOf(10);
  const error = await failure(
    sending.withCounter(counter).addFile(access, 'x', { ...file, sizeBytes: 150_000_001 }, { signal }),
  );
  expect([error.code, counter.requests]).toEqual(['MESSAGE_TOO_LARGE', 0]);
});

test('a file that is shorter than its size says is not sent in part', async () => {
  const { access, id } = await draftOf();
  for (const sizeBytes of [20_000, 4_000_000]) {
    const file = { ...fileOf(10_000).file, sizeBytes };
    await expect(sending.addFile(access, id, file, { signal })).rejects.toThrow(/size/);
  }
  expect(await sending.listDraftFiles(access, id, signal)).toEqual([]);
});

test.each([
  ['https://outlook.office.com/api/v2.0/Users(1)/AttachmentSessions(2)?authtoken=x', true],
  ['http://127.0.0.1:9999/upload', true],
  ['http://127.0.0.1:9998/upload', false],
  ['http://outlook.office.com/upload', false],
  ['https://token@outlook.office.com/upload', false],
  ['ftp://outlook.office.com/upload', false],
  ['no url', false],
])('bytes of a file go over TLS or to where Graph was told to be: %s %s', (url, isAllowed) => {
  const uploads = createUploadSessions({
    overrides: { loginUrl: null, graphUrl: 'http://127.0.0.1:9999' },
    clock: systemClock,
    observer: {},
    random: () => 0,
  });
  expect(uploads.isAllowed(url)).toBe(isAllowed);
});
