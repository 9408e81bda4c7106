import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import { Upload } from '../../src/outbound/upload.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Attachment } from '../../src/ticketing/attachment.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { signIn } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { openTicket, type Replied, reply, upload } from './reply-desk.ts';

/*
 * A reply up to the row in the outbox. What becomes of it then: test/send.
 */

let app: TestApp;
let desk: Desk;
let mailbox: { mailboxId: string; address: string };
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk('Replies');
  mailbox = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailbox.mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

const fork = () => forkFor(app.database, desk.organizationId);
const answer = (input: Record<string, unknown>, key = desk.apiKey) => reply(app.url, key, input);
const open = (subject: string, mail: object = {}) =>
  openTicket(app, desk, mailbox.mailboxId, { to: mailbox.address, subject, ...mail });

/** The mail in the outbox and the message of the ticket that a reply became. */
async function rowsOf({ outboundMessage, message, code }: Replied) {
  if (!outboundMessage || !message) throw new Error(`There was no reply: ${code}`);
  const em = fork();
  const outbound = await em.findOneOrFail(
    OutboundMessage,
    { id: rowId(outboundMessage.id) },
    { populate: ['bodyHtml', 'bodyText'] },
  );
  const row = await em.findOneOrFail(
    Message,
    { id: rowId(message.id) },
    { populate: ['text', 'html', 'strippedText'] },
  );
  const files = await em.find(Attachment, { message: row.id }, { orderBy: { position: 'asc' } });
  return { outbound, message: row, files };
}

const count = (ticketId: string) => fork().count(Message, { ticket: rowId(ticketId) });

describe('a reply', () => {
  test('is a message of the ticket and a mail in the outbox, in answer to the customer’s', async () => {
    const ticket = await open('Printer', {
      from: 'Carol Customer <carol@fabrikam.example>',
      text: 'It is broken.',
    });
    const replied = await answer({ ticketId: ticket.id, text: 'We will see.' });
    const { outbound, message } = await rowsOf(replied);
    expect(replied.ticket).toEqual({ id: ticket.id, status: 'OPEN', number: ticket.number });
    expect(outbound).toMatchObject({
      kind: 'REPLY',
      from: { emailAddress: mailbox.address },
      to: [{ name: 'Carol Customer', emailAddress: 'carol@fabrikam.example' }],
      cc: [],
      bcc: [],
      subject: `Re: Printer [#${ticket.number}]`,
      inReplyTo: ticket.internetMessageId,
      references: [ticket.internetMessageId],
      isAutomatic: false,
    });
    expect(outbound.to).toEqual([{ name: 'Carol Customer', emailAddress: 'carol@fabrikam.example' }]);
    expect(message.to).toEqual(outbound.to);
    expect(outbound.answersGraphMessageId).toEqual(expect.any(String));
    expect(message).toMatchObject({ kind: 'OUTBOUND', subject: outbound.subject, automatic: null });
    expect(message.strippedText).toBe('We will see.');
    expect(message.text).toMatch(
      /^We will see\.\n\nOn \w{3}, \d{1,2} \w{3,4} 20\d\d at \d\d:\d\d UTC, Carol Customer wrote:\n\n> It is broken\.$/,
    );
    expect(outbound.bodyText).toBe(message.text);
    expect(outbound.bodyHtml).toContain('<blockquote type="cite"');
  });

  test('names all earlier mails of the conversation, also those between the customer’s own', async () => {
    const ticket = await open('Chain');
    const second = await deliver(app.emulator.url, {
      to: mailbox.address,
      subject: 'Re: Chain',
      inReplyTo: ticket.internetMessageId,
    });
    await desk.sync(mailbox.mailboxId);
    const { outbound } = await rowsOf(await answer({ ticketId: ticket.id, text: 'Yes' }));
    expect(outbound.inReplyTo).toBe(second.internetMessageId);
    expect(outbound.references).toEqual([ticket.internetMessageId, second.internetMessageId]);
    const first = await answer({
      ticketId: ticket.id,
      text: 'To the first',
      inReplyToMessageId: ticket.messageId,
    });
    expect((await rowsOf(first)).outbound.inReplyTo).toBe(ticket.internetMessageId);
  });

  test('goes to whom the caller names, and says who gets it otherwise', async () => {
    const ticket = await open('Recipients', {});
    const replied = await answer({
      ticketId: ticket.id,
      text: 'x',
      to: [{ name: 'Dora', emailAddress: 'Dora@Fabrikam.example' }, { emailAddress: mailbox.address }],
      bcc: [{ emailAddress: 'eve@fabrikam.example' }],
    });
    const { outbound } = await rowsOf(replied);
    expect(outbound).toMatchObject({
      to: [{ name: 'Dora', emailAddress: 'dora@fabrikam.example' }],
      bcc: [{ emailAddress: 'eve@fabrikam.example' }],
      recipientCount: 2,
    });
    expect(replied.droppedRecipients).toEqual([
      { correspondent: { emailAddress: mailbox.address }, reason: 'OWN_ADDRESS' },
    ]);
    expect(replied.warnings).toEqual([{ kind: 'RECIPIENTS_DROPPED' }]);
    const usual = await answer({ ticketId: ticket.id, text: 'x' });
    expect(usual.addedRecipients).toEqual([
      { correspondent: { emailAddress: 'carol@fabrikam.example' }, reason: 'REQUESTER' },
    ]);
  });

  test('is one, however often the same request comes, also at once', async () => {
    const ticket = await open('Double click');
    const input = {
      ticketId: ticket.id,
      text: 'Once',
      note: 'Also once',
      idempotencyKey: crypto.randomUUID(),
      to: [{ emailAddress: 'carol@fabrikam.example' }, { emailAddress: mailbox.address }],
    };
    const all = await Promise.all(Array.from({ length: 5 }, () => answer(input)));
    all.push(await answer(input));
    const [first] = all;
    // The state moves on while it is being sent.
    const same = (one: Replied | undefined) => ({ ...one, outboundMessage: one?.outboundMessage?.id });
    for (const one of all) expect(same(one)).toEqual(same(first));
    expect(first?.droppedRecipients).toHaveLength(1);
    expect(await count(ticket.id)).toBe(3);
    expect(await fork().count(OutboundMessage, { ticket: rowId(ticket.id) })).toBe(1);
  });

  test('that was changed is refused under the same key: who changed it shall not believe that it was sent', async () => {
    const ticket = await open('Changed');
    const input = { ticketId: ticket.id, text: 'First', idempotencyKey: crypto.randomUUID() };
    await answer(input);
    for (const change of [
      { text: 'Changed' },
      { cc: [{ emailAddress: 'eve@fabrikam.example' }] },
      { note: 'x' },
    ]) {
      expect((await answer({ ...input, ...change })).code).toBe('IDEMPOTENCY_KEY_REUSED');
    }
    expect((await answer({ ...input, includeQuote: true })).outboundMessage).toBeDefined();
    const bring = async () => {
      const id = await upload(app.url, desk.apiKey, new Uint8Array([1, 2]));
      return { uploadIds: [id], html: `<p>See <img src="cid:${id}"></p>` };
    };
    const other = { ticketId: ticket.id, idempotencyKey: crypto.randomUUID() };
    const first = await answer({ ...other, ...(await bring()) });
    expect(first.outboundMessage).toBeDefined();
    expect((await answer({ ...other, ...(await bring()) })).outboundMessage?.id).toBe(
      first.outboundMessage?.id,
    );
    expect(await fork().count(OutboundMessage, { ticket: rowId(ticket.id) })).toBe(2);
  });

  test('of another user, or with another key, is another one; a key is not used for two tickets', async () => {
    const ticket = await open('Two agents');
    const other = await open('Other ticket');
    const agent = await signIn(app.database, desk.organizationId, 'AGENT');
    const input = { ticketId: ticket.id, text: 'x', idempotencyKey: 'the same' };
    await answer(input);
    await answer(input, agent.secret);
    expect(await fork().count(OutboundMessage, { ticket: rowId(ticket.id) })).toBe(2);
    expect((await answer({ ...input, ticketId: other.id })).code).toBe('IDEMPOTENCY_KEY_REUSED');
  });

  test('adds a note, sets the status, and opens a closed ticket again', async () => {
    const ticket = await open('Status');
    const closed = await answer({ ticketId: ticket.id, text: 'Done.', status: 'CLOSED', note: 'easy' });
    expect(closed.ticket?.status).toBe('CLOSED');
    expect(await count(ticket.id)).toBe(3);
    const notes = await fork().find(
      Message,
      { ticket: rowId(ticket.id), kind: 'NOTE' },
      { populate: ['text'] },
    );
    expect(notes.map(({ text }) => text)).toEqual(['easy']);
    expect((await answer({ ticketId: ticket.id, text: 'One more thing' })).ticket?.status).toBe('OPEN');
    const pending = await answer({ ticketId: ticket.id, text: 'Waiting', status: 'PENDING' });
    expect(pending.ticket?.status).toBe('PENDING');
    expect((await answer({ ticketId: ticket.id, text: 'Still' })).ticket?.status).toBe('PENDING');
  });

  test('tells those who listen: the message, the ticket, that it was closed, and that its mail was sent', async () => {
    const ticket = await open('Events');
    const replied = await answer({ ticketId: ticket.id, text: 'x', note: 'y', status: 'CLOSED' });
    // The delivery tells of the ticket as well, whenever it comes to it.
    await eventually('the mail is sent', async () => (await rowsOf(replied)).outbound.state === 'SENT');
    const events = await fork().execute<{ type: string }[]>(
      `select type from event where organization_id = ? and payload ->> 'ticketId' = ? and type not like 'outbound%'
       order by event.position`,
      [desk.organizationId, rowId(ticket.id)],
    );
    expect(events.map(({ type }) => type).slice(2)).toEqual([
      'message.added',
      'message.added',
      'ticket.updated',
      'ticket.closed',
      'ticket.updated',
    ]);
  });

  test('shows the requester nothing of somebody who was only asked from here, unless that message is named', async () => {
    const ticket = await open('Price', { from: 'carol@fabrikam.example', text: 'What does it cost?' });
    await deliver(app.emulator.url, {
      from: 'sales@supplier.example',
      to: mailbox.address,
      subject: 'Re: Price',
      text: 'For you it is half.',
      inReplyTo: ticket.internetMessageId,
    });
    await desk.sync(mailbox.mailboxId);
    const theirs = await fork().findOneOrFail(Message, {
      ticket: rowId(ticket.id),
      from: { emailAddress: 'sales@supplier.example' },
    });
    const replied = await answer({ ticketId: ticket.id, text: 'Ten.' });
    const { outbound } = await rowsOf(replied);
    expect(outbound.to.map(({ emailAddress }) => emailAddress)).toEqual(['carol@fabrikam.example']);
    expect(outbound.cc).toEqual([]);
    expect(`${outbound.bodyText}${outbound.bodyHtml}`).not.toContain('half');
    expect(outbound.inReplyTo).toBe(ticket.internetMessageId);
    expect(outbound.references).toEqual([ticket.internetMessageId]);
    expect(replied.warnings).toEqual([{ kind: 'LAST_MESSAGE_NOT_ANSWERED' }]);
    const inReplyToMessageId = encodeGlobalId('Message', theirs.id);
    const named = await rowsOf(await answer({ ticketId: ticket.id, text: 'Yes', inReplyToMessageId }));
    expect(named.outbound.to.map(({ emailAddress }) => emailAddress)).toEqual(['sales@supplier.example']);
    expect(named.outbound.cc).toEqual([]);
    expect(named.outbound.bodyText).toContain('> For you it is half.');
  });

  test('warns where the last message is a machine’s', async () => {
    const ticket = await open('Away');
    await deliver(app.emulator.url, {
      to: mailbox.address,
      subject: 'Automatic reply: Away',
      inReplyTo: ticket.internetMessageId,
      text: 'I am away.',
    });
    await fork().nativeUpdate(Message, { id: rowId(ticket.messageId) }, { automatic: 'OUT_OF_OFFICE' });
    const replied = await answer({
      ticketId: ticket.id,
      text: 'x',
      to: [{ emailAddress: 'carol@fabrikam.example' }],
    });
    expect(replied.warnings).toContainEqual({ kind: 'LAST_MESSAGE_AUTOMATIC' });
  });

  test('without a quote has none', async () => {
    const ticket = await open('Short', { text: 'secret words' });
    const { message, outbound } = await rowsOf(
      await answer({ ticketId: ticket.id, text: 'x', includeQuote: false }),
    );
    expect(message.text).toBe('x');
    expect(outbound.bodyHtml).not.toContain('secret words');
  });
});

describe('the files of a reply', () => {
  const png = Uint8Array.from(
    Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex'),
  );

  test('are uploads, which are used once, and files of other messages, whose content is shared', async () => {
    const ticket = await open('Files', {
      attachments: [{ name: 'theirs.txt', contentBytes: Buffer.from('their file').toString('base64') }],
    });
    const uploadId = await upload(app.url, desk.apiKey, new Uint8Array(100_000).fill(7), {
      name: 'ours.bin',
    });
    const attachmentId = await storedAttachment(ticket.messageId);
    const input = { ticketId: ticket.id, text: 'See', uploadIds: [uploadId], attachmentIds: [attachmentId] };
    const { files, outbound } = await rowsOf(await answer(input));
    expect(files.map(({ name, sizeBytes, state, isInline }) => [name, sizeBytes, state, isInline])).toEqual([
      ['theirs.txt', 10, 'STORED', false],
      ['ours.bin', 100_000, 'STORED', false],
    ]);
    const original = await fork().findOneOrFail(Attachment, { id: rowId(attachmentId) });
    expect(files[0]?.storedContentId).toBe(original.storedContentId);
    expect(outbound.lane).toBe('PROMPT');
    expect(await fork().count(Upload, { id: rowId(uploadId) })).toBe(0);
    expect((await answer(input)).code).toBe('NOT_FOUND');
  });

  test('go by the lane for large mails above three megabytes', async () => {
    const ticket = await open('Large');
    const uploadId = await upload(app.url, desk.apiKey, new Uint8Array(4 * 1024 * 1024));
    expect(
      (await rowsOf(await answer({ ticketId: ticket.id, text: 'x', uploadIds: [uploadId] }))).outbound.lane,
    ).toBe('BULKY');
  });

  test('are images of the text where the HTML names them', async () => {
    const ticket = await open('Inline');
    const uploadId = await upload(app.url, desk.apiKey, png, { name: 'a.png', contentType: 'image/png' });
    const html = `<p>See <img src="cid:${uploadId}" alt="A plan"></p>`;
    const { files, outbound, message } = await rowsOf(
      await answer({ ticketId: ticket.id, html, uploadIds: [uploadId] }),
    );
    expect(files).toMatchObject([{ name: 'a.png', isInline: true }]);
    expect(outbound.bodyHtml).toContain(`src="cid:${files[0]?.contentId}"`);
    expect(message.html).toContain(`src="cid:${files[0]?.contentId}"`);
    const missing = await answer({ ticketId: ticket.id, html: '<img src="cid:nothing">' });
    expect(missing.code).toBe('INVALID_INPUT');
  });

  test('are the images of the quoted message as well, which stay shown', async () => {
    const ticket = await open('Quoted image', {
      html: '<p>Look: <img src="cid:plan@x" alt="plan"> <img src="cid:none@x" alt="lost"></p>',
      attachments: [
        {
          name: 'plan.png',
          contentType: 'image/png',
          contentId: 'plan@x',
          isInline: true,
          contentBytes: Buffer.from(png).toString('base64'),
        },
      ],
    });
    await storedAttachment(ticket.messageId);
    const replied = await answer({ ticketId: ticket.id, text: 'I see.' });
    const { files, outbound } = await rowsOf(replied);
    expect(files).toMatchObject([{ name: 'plan.png', isInline: true }]);
    expect(outbound.bodyHtml).toContain(`src="cid:${files[0]?.contentId}"`);
    expect(outbound.bodyHtml).toContain('[lost]');
    expect(replied.warnings).toContainEqual({ kind: 'IMAGES_LEFT_OUT' });
  });

  test('are refused while their content is not here, and as a whole with the reply', async () => {
    const ticket = await open('Not yet');
    const { createUpload } = await desk.request<{ createUpload: { upload: { id: string } } }>(
      `mutation { createUpload(input: { name: "a", contentType: "text/plain", sizeBytes: 5 }) {
         ... on CreateUploadPayload { upload { id } } } }`,
    );
    const input = { ticketId: ticket.id, text: 'x', uploadIds: [createUpload.upload.id] };
    expect((await answer(input)).code).toBe('UPLOAD_INCOMPLETE');
    expect(await count(ticket.id)).toBe(1);
  });

  /** The id of the message's first file, once it is stored. */
  async function storedAttachment(messageId: string): Promise<string> {
    return eventually('the file is stored', async () => {
      const { node } = await desk.request<{ node: { attachments: { id: string; state: string }[] } }>(
        'query ($id: ID!) { node(id: $id) { ... on Message { attachments { id state } } } }',
        { id: messageId },
      );
      return node.attachments[0]?.state === 'STORED' && node.attachments[0].id;
    });
  }
});

describe('refused is', () => {
  test('what says nothing, has addresses that are none, or a message of another ticket', async () => {
    const ticket = await open('Refused');
    const other = await open('Another');
    expect((await answer({ ticketId: ticket.id })).code).toBe('INVALID_INPUT');
    expect((await answer({ ticketId: ticket.id, text: '  ' })).code).toBe('INVALID_INPUT');
    const to = [{ emailAddress: 'a@b@c' }];
    expect((await answer({ ticketId: ticket.id, text: 'x', to })).code).toBe('INVALID_INPUT');
    const foreign = { ticketId: ticket.id, text: 'x', inReplyToMessageId: other.messageId };
    expect((await answer(foreign)).code).toBe('NOT_FOUND');
    expect(await count(ticket.id)).toBe(1);
  });

  test('an image in the HTML itself, and a key that is no line of text', async () => {
    const ticket = await open('Embedded');
    const html = '<p>See <img src="data:image/png;base64,AAAA"></p>';
    expect((await answer({ ticketId: ticket.id, html })).code).toBe('INVALID_INPUT');
    const odd = { ticketId: ticket.id, text: 'x', idempotencyKey: 'a\u0000b' };
    expect((await answer(odd)).code).toBe('INVALID_INPUT');
    expect(await count(ticket.id)).toBe(1);
  });

  test('an alias that was removed gets no copy: it still leads to us', async () => {
    const alias = `old-${mailbox.address}`;
    const em = fork();
    await em.execute(
      `insert into identity (id, organization_id, mailbox_id, email_address, kind, status, removed_at, created_at, updated_at)
       values (gen_random_uuid(), ?, ?, ?, 'ALIAS', 'ACTIVE', now(), now(), now())`,
      [desk.organizationId, rowId(mailbox.mailboxId), alias],
    );
    const ticket = await open('To an old alias', { cc: [alias, 'bob@fabrikam.example'] });
    const { outbound } = await rowsOf(await answer({ ticketId: ticket.id, text: 'x' }));
    expect(outbound.cc.map(({ emailAddress }) => emailAddress)).toEqual(['bob@fabrikam.example']);
  });

  test('a mail to nobody but ourselves', async () => {
    const ticket = await open('To us');
    const to = [{ emailAddress: mailbox.address }];
    expect((await answer({ ticketId: ticket.id, text: 'x', to })).code).toBe('NO_RECIPIENT');
  });

  test('more recipients than Exchange takes', async () => {
    const ticket = await open('Many');
    const many = (count: number, name: string) =>
      Array.from({ length: count }, (_, i) => ({ emailAddress: `${name}${i}@fabrikam.example` }));
    const input = { ticketId: ticket.id, text: 'x', to: many(300, 'a'), cc: many(300, 'b') };
    expect((await answer(input)).code).toBe('TOO_MANY_RECIPIENTS');
  });

  test('what a viewer writes', async () => {
    const ticket = await open('Viewer');
    const viewer = await signIn(app.database, desk.organizationId, 'VIEWER');
    await expect(answer({ ticketId: ticket.id, text: 'x' }, viewer.secret)).rejects.toThrow(/permission/i);
  });
});

test('a preview shows what would be sent, and writes nothing', async () => {
  const ticket = await open('Preview', { text: 'A question' });
  const uploadId = await upload(app.url, desk.apiKey, new Uint8Array(10));
  const { previewReply } = await desk.request<{ previewReply: Record<string, unknown> }>(
    `query ($input: PreviewReplyInput!) { previewReply(input: $input) { ... on ReplyPreview {
       from { emailAddress } to { emailAddress } cc { emailAddress } subject text html files { name sizeBytes isInline }
       inReplyTo references warnings { kind } addedRecipients { reason } droppedRecipients { reason } } } }`,
    { input: { ticketId: ticket.id, text: 'An answer', uploadIds: [uploadId] } },
  );
  expect(previewReply).toMatchObject({
    from: { emailAddress: mailbox.address },
    to: [{ emailAddress: 'carol@fabrikam.example' }],
    cc: [],
    subject: `Re: Preview [#${ticket.number}]`,
    text: expect.stringMatching(/^An answer\n\nOn .* wrote:\n\n> A question$/),
    html: expect.stringContaining('<p>An answer</p>'),
    files: [{ name: 'file.bin', sizeBytes: 10, isInline: false }],
    inReplyTo: ticket.internetMessageId,
    references: [ticket.internetMessageId],
    addedRecipients: [{ reason: 'REQUESTER' }],
  });
  expect(await count(ticket.id)).toBe(1);
  expect(await fork().count(Upload, { id: rowId(uploadId) })).toBe(1);
});
