import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MailApi } from '../../src/microsoft365/mail.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';

let stage: Stage;
let mail: MailApi;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  mail = stage.microsoft365.mail;
});
afterAll(() => stage[Symbol.asyncDispose]());

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});

describe('attachments', () => {
  test('are described without their content, and streamed byte for byte', async () => {
    const { access } = await stage.mailbox();
    const content = Buffer.alloc(700_000, 'deskgraph ');
    const id = await stage.post(access.emailAddress, {
      html: '<img src="cid:logo@1">',
      attachments: [
        { name: 'big.bin', contentBytes: content.toString('base64') },
        {
          name: 'logo.png',
          contentType: 'image/png',
          contentBytes: 'aGk=',
          isInline: true,
          contentId: 'logo@1',
        },
      ],
    });
    const attachments = await mail.listAttachments(access, id, signal);
    expect(attachments).toEqual([
      expect.objectContaining({ kind: 'FILE', name: 'big.bin', sizeBytes: 700_000, isInline: false }),
      expect.objectContaining({
        name: 'logo.png',
        contentType: 'image/png',
        contentId: 'logo@1',
        isInline: true,
      }),
    ]);
    const stream = await mail.readAttachment(access, id, attachments[0]?.graphAttachmentId ?? '', signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  test('of many mails are listed in one request for twenty, and a mail that is gone stays alone', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 24; index += 1) {
      const attachments = [{ name: `${index}.txt`, contentBytes: 'aGk=' }];
      ids.push(await stage.post(access.emailAddress, { attachments }));
    }
    const counter = { requests: 0 };
    const asked = [...ids, 'AAMkNoSuchMail'];
    const listings = await mail.withCounter(counter).listAttachmentsOfMany(access, asked, signal);
    expect(counter.requests).toBe(2);
    expect([...listings.keys()]).toEqual(asked);
    expect(listings.get(ids[23] ?? '')).toEqual([expect.objectContaining({ name: '23.txt' })]);
    expect(listings.get('AAMkNoSuchMail')).toMatchObject({ code: 'ITEM_NOT_FOUND' });
  });

  test.each([
    ['text/plain', '\r\nno trailing newline, ümlaut'],
    ['application/json', '{ "spaces":   1 , "a": 1, "a": 2 }'],
    ['application/octet-stream', '\u0000\u0001'],
    ['text/plain', ''],
  ])('small files of type %s come byte for byte, twenty in a request', async (contentType, text) => {
    const { access } = await stage.mailbox();
    const contentBytes = Buffer.from(text).toString('base64');
    const graphMessageId = await stage.post(access.emailAddress, {
      attachments: Array.from({ length: 19 }, (_, index) => ({
        name: `${index}`,
        contentType,
        contentBytes,
      })),
    });
    const listing = await mail.listAttachments(access, graphMessageId, signal);
    const files = listing.map(({ graphAttachmentId }) => ({ graphMessageId, graphAttachmentId }));
    const counter = { requests: 0 };
    const asked = [...files, { graphMessageId, graphAttachmentId: 'AAMkNoSuchFile' }];
    const contents = await mail.withCounter(counter).readSmallFiles(access, asked, signal);
    expect(counter.requests).toBe(1);
    expect(contents.slice(0, 19)).toEqual(Array.from({ length: 19 }, () => Buffer.from(text)));
    expect(contents[19]).toMatchObject({ code: 'ITEM_NOT_FOUND' });
  });

  test('small files that are large after all are left to be streamed', async () => {
    const { access } = await stage.mailbox();
    const contentBytes = Buffer.alloc(300_000).toString('base64');
    const graphMessageId = await stage.post(access.emailAddress, {
      attachments: [{ name: 'a.bin', contentBytes }],
    });
    const { mail: small } = stage.anotherProcess({ largestAnswerBytes: 280_000 });
    const [file] = await small.listAttachments(access, graphMessageId, signal);
    const graphAttachmentId = file?.graphAttachmentId ?? '';
    expect(await small.readSmallFiles(access, [{ graphMessageId, graphAttachmentId }], signal)).toEqual([
      null,
    ]);
  });

  test('six streams that are left unread do not lock the mailbox once their signal ends', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress, {
      attachments: [{ name: 'big.bin', contentBytes: Buffer.alloc(500_000).toString('base64') }],
    });
    const [attachment] = await mail.listAttachments(access, id, signal);
    const attachmentId = attachment?.graphAttachmentId ?? '';
    for (let index = 0; index < 6; index += 1) {
      const reader = new AbortController();
      await mail.readAttachment(access, id, attachmentId, reader.signal);
      reader.abort();
    }
    expect(await mail.getFolder(access, 'inbox', signal)).not.toBeNull();
  });

  test('a stream that is left in the middle gives its place back', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress, {
      attachments: [{ name: 'big.bin', contentBytes: Buffer.alloc(500_000).toString('base64') }],
    });
    const [attachment] = await mail.listAttachments(access, id, signal);
    for (let index = 0; index < 6; index += 1) {
      const stream = await mail.readAttachment(access, id, attachment?.graphAttachmentId ?? '', signal);
      for await (const _chunk of stream) break;
    }
    expect(await mail.getFolder(access, 'inbox', signal)).not.toBeNull();
  });

  test('of a mail that is gone: ITEM_NOT_FOUND', async () => {
    const { access } = await stage.mailbox();
    await expect(mail.listAttachments(access, 'AAMkNoSuchMail', signal)).rejects.toMatchObject({
      code: 'ITEM_NOT_FOUND',
    });
  });
});
