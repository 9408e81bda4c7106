import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IncomingAttachment } from '../../src/microsoft365/mail.ts';
import { type EntityManager, forkFor } from '../../src/platform/database.ts';
import { CHUNK_BYTES, createDatabaseStorage } from '../../src/platform/database-storage.ts';
import { type ObjectStorages, objectStorages } from '../../src/platform/object-storage.ts';
import { Attachment } from '../../src/ticketing/attachment.entity.ts';
import { ContentTooLargeError, storeContent } from '../../src/ticketing/attachment-content.ts';
import { itemFileName, safeFileName } from '../../src/ticketing/attachment-name.ts';
import {
  DEFAULT_ATTACHMENT_LIMITS,
  describeAttachments,
  putAttachmentRows,
} from '../../src/ticketing/attachment-rows.ts';
import { openAttachment } from '../../src/ticketing/attachments.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { createDesk, ingest, mail, NOW } from './fixtures.ts';

let own: TestDatabase;
let storages: ObjectStorages;
beforeAll(async () => {
  own = await cloneDatabase();
  storages = objectStorages(createDatabaseStorage(own.database));
});
afterAll(() => own[Symbol.asyncDispose]());

const MEGABYTE = 1024 * 1024;
const listed = (parts: Partial<IncomingAttachment> = {}): IncomingAttachment => ({
  graphAttachmentId: 'graph',
  kind: 'FILE',
  name: 'file.bin',
  contentType: 'application/pdf',
  sizeBytes: 10,
  contentId: null,
  isInline: false,
  link: null,
  ...parts,
});

async function createMessage() {
  const desk = await createDesk(own.database);
  await ingest(own.database, desk, [mail()]);
  const fork = () => forkFor(own.database, desk.organizationId);
  const message = await fork().findOneOrFail(Message, { kind: 'INBOUND' });
  const put = async (listing: IncomingAttachment[], limits = DEFAULT_ATTACHMENT_LIMITS) => {
    const { pending } = await fork().transactional((em) =>
      putAttachmentRows(em, desk.organizationId, message.id, describeAttachments(listing, limits, NOW), NOW),
    );
    return pending;
  };
  const all = () => fork().find(Attachment, {}, { orderBy: { position: 'asc' } });
  const store = (attachmentId: string, content: AsyncIterable<Uint8Array>, maxBytes: number) =>
    storeContent(
      fork(),
      { storages, organizationId: desk.organizationId, attachmentId, maxBytes, now: () => NOW },
      content,
    );
  const open = (id: string, range?: { start: number; end: number }) => openStored(fork(), id, range);
  return { desk, fork, put, all, store, open };
}

const openStored = (em: EntityManager, id: string, range?: { start: number; end: number }) =>
  openAttachment(em, storages, id, range && { range });

async function* pieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < content.length; offset += size) yield content.subarray(offset, offset + size);
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return Buffer.concat(read);
}

describe('content', () => {
  test.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17])(
    'of %i bytes comes out as it went in, whatever the pieces it came in',
    async (size) => {
      const { put, all, store, open } = await createMessage();
      const [row] = await put([listed()]);
      const content = randomBytes(size);
      await store(row?.id ?? '', pieces(content, 700_001), 5 * MEGABYTE);
      const [attachment] = await all();
      expect(attachment).toMatchObject({
        state: 'STORED',
        sizeBytes: size,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      const opened = await open(row?.id ?? '');
      expect(opened?.contentLength).toBe(size);
      expect((await readAll(opened?.chunks ?? pieces(Buffer.alloc(1), 1))).equals(content)).toBe(true);
    },
  );

  test('gives any range, also across pieces, and refuses one outside', async () => {
    const { put, store, open } = await createMessage();
    const [row] = await put([listed()]);
    const id = row?.id ?? '';
    const content = randomBytes(2 * CHUNK_BYTES + 100);
    await store(id, pieces(content, CHUNK_BYTES), 5 * MEGABYTE);
    const ranges: [start: number, end: number][] = [
      [0, 0],
      [0, CHUNK_BYTES - 1],
      [CHUNK_BYTES - 1, CHUNK_BYTES],
      [CHUNK_BYTES, CHUNK_BYTES],
      [10, 2 * CHUNK_BYTES + 99],
      [2 * CHUNK_BYTES + 99, 2 * CHUNK_BYTES + 99],
    ];
    for (const [start, end] of ranges) {
      const opened = await open(id, { start, end });
      expect(opened?.contentLength).toBe(end - start + 1);
      expect(
        (await readAll(opened?.chunks ?? ([][Symbol.iterator]() as never))).equals(
          content.subarray(start, end + 1),
        ),
      ).toBe(true);
    }
    for (const [start, end] of [
      [0, content.length],
      [-1, 5],
      [5, 4],
    ] as const) {
      await expect(open(id, { start, end })).rejects.toThrow(RangeError);
    }
  });

  test('over the limit is cut off while it comes, and nothing of it is kept', async () => {
    const { fork, put, all, store, desk } = await createMessage();
    const [row] = await put([listed()]);
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 1;
        yield Buffer.alloc(MEGABYTE);
      }
    }
    await expect(store(row?.id ?? '', endless(), 3 * MEGABYTE)).rejects.toThrow(ContentTooLargeError);
    expect(given).toBeLessThan(6);
    expect((await all())[0]).toMatchObject({ state: 'PENDING' });
    const [left] = await fork().execute<{ count: string }[]>(
      'select (select count(*) from object_chunk where object_id not in (select id from stored_content)) + (select count(*) from stored_content where organization_id = ?) as count',
      [desk.organizationId],
    );
    expect(Number(left?.count)).toBe(0);
  });

  test('that was cut off by a crash is not shown, and the next attempt stores it whole', async () => {
    const { put, all, store, open } = await createMessage();
    const [row] = await put([listed()]);
    const id = row?.id ?? '';
    const content = randomBytes(2 * CHUNK_BYTES + 5);
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, CHUNK_BYTES + 3);
      throw new Error('the connection is gone');
    }
    await expect(store(id, breaking(), 5 * MEGABYTE)).rejects.toThrow('gone');
    expect(await open(id)).toBeNull();
    const pending = await put([listed()]);
    expect(pending.map((one) => one.id)).toEqual([id]);
    await store(id, pieces(content, 1_000_000), 5 * MEGABYTE);
    expect(await put([listed()])).toEqual([]);
    expect((await all()).map(({ state }) => state)).toEqual(['STORED']);
    const opened = await open(id);
    expect((await readAll(opened?.chunks ?? pieces(Buffer.alloc(1), 1))).equals(content)).toBe(true);
  });

  test('is not there for another organization', async () => {
    const [one, two] = [await createMessage(), await createMessage()];
    const [row] = await one.put([listed()]);
    await one.store(row?.id ?? '', pieces(Buffer.from('secret'), 3), 100);
    expect(await two.open(row?.id ?? '')).toBeNull();
    expect(await one.open(row?.id ?? '')).not.toBeNull();
  });
});

describe('the rows of a message', () => {
  test('say from the beginning what will not be fetched, and why', async () => {
    const { put, all } = await createMessage();
    const limits = { maxFileBytes: 10 * MEGABYTE, maxMessageBytes: 30 * MEGABYTE, maxAttachments: 5 };
    await put(
      [
        listed({ sizeBytes: 100 * MEGABYTE }),
        listed({ kind: 'LINK', link: 'https://contoso.sharepoint.example/x' }),
        listed({ kind: 'LINK', link: 'javascript:alert(1)' }),
        listed({ kind: 'LINK', link: 'http://contoso.sharepoint.example/x' }),
        listed({ kind: 'ITEM', name: 'Re: the mail inside' }),
        ...Array.from({ length: 7 }, () => listed()),
      ],
      limits,
    );
    const rows = await all();
    expect(rows.map(({ state }) => state)).toEqual([
      'TOO_LARGE',
      'LINK',
      'LINK',
      'LINK',
      'PENDING',
      'FAILED',
    ]);
    expect(rows.map(({ link }) => link ?? null)).toEqual([
      null,
      'https://contoso.sharepoint.example/x',
      null,
      null, // read by everybody on the way
      null,
      null,
    ]);
    expect(rows[0]?.problem).toMatchObject({ code: 'ATTACHMENT_TOO_LARGE' });
    expect(rows[2]?.problem).toMatchObject({ code: 'ATTACHMENT_LINK_UNKNOWN' });
    expect(rows[4]).toMatchObject({ name: 'Re_ the mail inside.eml', contentType: 'message/rfc822' });
    expect(rows[5]).toMatchObject({ name: '7 more', problem: { code: 'TOO_MANY_ATTACHMENTS' } });
  });

  test('are the same after a repetition, and made anew when the message has other files now', async () => {
    const { put, all } = await createMessage();
    const first = await put([listed({ name: 'a' }), listed({ name: 'b' })]);
    expect((await put([listed({ name: 'a' }), listed({ name: 'b' })])).map(({ id }) => id)).toEqual(
      first.map(({ id }) => id),
    );
    await Promise.all([put([listed({ name: 'c' })]), put([listed({ name: 'c' })])]);
    expect((await all()).map(({ name }) => name)).toEqual(['c']);
  });

  test('keep no media type that would break a header', async () => {
    const { put, all } = await createMessage();
    await put([
      listed({ contentType: 'text/html\r\nX-Evil: 1' }),
      listed({ contentType: 'TEXT/Plain; charset=utf-8' }),
      listed({ contentType: '' }),
    ]);
    expect((await all()).map(({ contentType }) => contentType)).toEqual([
      'application/octet-stream',
      'text/plain',
      'application/octet-stream',
    ]);
  });
});

describe('file names are safe on every system', () => {
  const cases: [given: string, safe: string][] = [
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Windows\\system32\\evil.exe', 'evil.exe'],
    ['a<b>:"|?*.txt', 'a_b______.txt'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['com1.log', '_com1.log'],
    ['invoice\u202Efdp.exe', 'invoice_fdp.exe'],
    ['a\u0000b\r\nc.txt', 'ab c.txt'],
    ['  .hidden. ', 'hidden'],
    ['...', 'attachment'],
    ['', 'attachment'],
    ['/', 'attachment'],
    ['Übersicht 2026 – 概要.xlsx', 'Übersicht 2026 – 概要.xlsx'],
  ];
  test.each(cases)('%j becomes %j', (given, safe) => {
    expect(safeFileName(given)).toBe(safe);
  });

  test('long ones are cut and keep their extension', () => {
    const name = safeFileName(`${'x'.repeat(5_000)}.pdf`);
    expect(name).toHaveLength(120);
    expect(name.endsWith('….pdf')).toBe(true);
    expect(safeFileName('y'.repeat(5_000))).toHaveLength(120);
    expect(safeFileName(`a.${'z'.repeat(5_000)}`).length).toBeLessThanOrEqual(120);
  });

  test('a mail inside a mail is an .eml', () => {
    expect(itemFileName('FW: hello')).toBe('FW_ hello.eml');
    expect(itemFileName('x.EML')).toBe('x.EML');
  });
});
