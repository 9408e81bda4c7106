import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GraphError } from '../../src/microsoft365/graph-error.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import type { MailSending } from '../../src/microsoft365/mail-sending.ts';
import { type Stage, startStage } from './harness.ts';
import { outgoing, sender } from './sending-harness.ts';

let stage: Stage;
let sending: MailSending;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  sending = stage.microsoft365.sending;
});
afterAll(() => stage[Symbol.asyncDispose]());

const signal = AbortSignal.timeout(120_000);
const failure = (work: Promise<unknown>): Promise<GraphError> =>
  work.then(
    () => {
      throw new Error('It did not fail.');
    },
    (error: GraphError) => error,
  );
const rules = (access: MailboxAccess, given: Record<string, unknown>) =>
  stage.control('PUT', `/mailboxes/${access.emailAddress}/sending`, given);

async function draftOf(access: MailboxAccess) {
  const mail = outgoing(access);
  const { graphMessageId } = await sending.createDraft(access, mail, signal);
  return { mail, id: graphMessageId };
}

/** A shared mailbox of an account that may open it. */
async function shared(options: Record<string, unknown> = {}): Promise<MailboxAccess> {
  const own = await sender(stage, 'SENDING_SHARED');
  const address = own.emailAddress.replace('sender', 'shared');
  const fullAccess = [own.emailAddress];
  await stage.control('POST', '/mailboxes', { address, kind: 'shared', fullAccess, ...options });
  return { ...own, emailAddress: address, kind: 'SHARED' };
}

describe('what Exchange refuses', () => {
  test('an address that the account may not send as, when the mail is sent; the draft stays', async () => {
    const access = await sender(stage);
    const from = { name: null, emailAddress: 'mia@contoso.example' };
    const mail = { ...outgoing(access), from };
    const { graphMessageId } = await sending.createDraft(access, mail, signal);
    const error = await failure(sending.sendDraft(access, graphMessageId, signal));
    expect([error.code, error.isUnclear]).toEqual(['SEND_AS_DENIED', false]);
    expect(await sending.getCopy(access, graphMessageId, signal)).toMatchObject({ isDraft: true });
  });

  test.each([
    [{ maxMessageBytes: 10 }, 'MESSAGE_TOO_LARGE'],
    [{ isFull: true }, 'QUOTA_EXCEEDED'],
    [{ blocked: 'REFUSED' }, 'SENDING_BLOCKED'],
  ])('%o is %s, and clearly not done', async (given, code) => {
    const access = await sender(stage);
    const { id } = await draftOf(access);
    await rules(access, given);
    const error = await failure(sending.sendDraft(access, id, signal));
    expect([error.code, error.isUnclear]).toEqual([code, false]);
  });

  test('more than its limits says when to come back, and mail is read meanwhile', async () => {
    const access = await sender(stage);
    await rules(access, { messagesPerMinute: 1, overLimit: 'REFUSE' });
    const [first, second] = [await draftOf(access), await draftOf(access)];
    await sending.sendDraft(access, first.id, signal);
    const error = await failure(sending.sendDraft(access, second.id, signal));
    expect([error.code, error.isUnclear]).toEqual(['SENDING_LIMIT_REACHED', false]);
    expect(error.retryAfterMilliseconds).toBeGreaterThan(1_000);
    expect(await sending.getCopy(access, second.id, signal)).toMatchObject({ isDraft: true });
  });

  test('large files for a shared mailbox, with what can be done', async () => {
    const access = await shared();
    const { id } = await draftOf(access);
    await rules(access, { refusesSharedUploads: true });
    const file = {
      name: 'plan.pdf',
      contentType: 'application/pdf',
      sizeBytes: 5_000_000,
      contentId: 'plan@deskgraph',
      isInline: false,
      read: () => {
        throw new Error('nothing is read');
      },
    };
    const error = await failure(sending.addFile(access, id, file, { signal }));
    expect(error.code).toBe('MAILBOX_ACCESS_DENIED');
    expect(error.message).toContain('application mode');
  });
});

describe('a mail that is on its way', () => {
  test('may be nowhere at all for a while', async () => {
    const access = await sender(stage);
    const { id, mail } = await draftOf(access);
    await rules(access, { whileSending: 'NOWHERE', sentCopyDelayMs: 3_600_000, newIdAfterSend: true });
    await sending.sendDraft(access, id, signal);
    expect(await sending.getCopy(access, id, signal)).toBeNull();
    expect(await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal)).toEqual([]);
  });

  test('has another id afterwards, and is found all the same', async () => {
    const access = await sender(stage);
    const { id, mail } = await draftOf(access);
    await rules(access, { newIdAfterSend: true });
    await sending.sendDraft(access, id, signal);
    const [copy] = await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal);
    expect(copy).toMatchObject({ isDraft: false, folder: 'SENT_ITEMS' });
    expect(copy?.graphMessageId).not.toBe(id);
  });

  test('in the Outbox is told to be there, and is not deleted', async () => {
    const access = await sender(stage);
    const { id } = await draftOf(access);
    await rules(access, { whileSending: 'OUTBOX', sentCopyDelayMs: 3_600_000 });
    await sending.sendDraft(access, id, signal);
    expect(await sending.getCopy(access, id, signal)).toMatchObject({ folder: 'OUTBOX' });
    expect((await failure(sending.deleteDraft(access, id, signal))).code).toBe('REQUEST_REFUSED');
  });
});

test('a shared mailbox sends as itself, and keeps what it sent', async () => {
  const access = await shared();
  const { id, mail } = await draftOf(access);
  await sending.sendDraft(access, id, signal);
  const [copy] = await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal);
  expect(copy).toMatchObject({ folder: 'SENT_ITEMS', isDraft: false });
  expect([copy?.from?.emailAddress, copy?.sender?.emailAddress]).toEqual([
    access.emailAddress,
    access.emailAddress,
  ]);
});

test('Send on Behalf shows who really sent', async () => {
  const access = await shared({ sendAs: [] });
  const own = access.emailAddress.replace('shared', 'sender');
  await stage.control('PATCH', `/mailboxes/${access.emailAddress}`, { sendOnBehalf: [own] });
  const { id, mail } = await draftOf(access);
  await sending.sendDraft(access, id, signal);
  const [copy] = await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal);
  expect([copy?.from?.emailAddress, copy?.sender?.emailAddress]).toEqual([access.emailAddress, own]);
});

test('a reply loses the files that Exchange put on it, and keeps ours', async () => {
  const access = await sender(stage);
  const mail = { ...outgoing(access), answersGraphMessageId: await stage.post(access.emailAddress) };
  const { graphMessageId } = await sending.createDraft(access, mail, signal);
  for (const contentId of ['ours@deskgraph', 'theirs@fabrikam']) {
    const file = { name: 'a.png', contentType: 'image/png', sizeBytes: 3, contentId, isInline: true };
    const read = async function* () {
      yield Buffer.from('abc');
    };
    await sending.addFile(access, graphMessageId, { ...file, read }, { signal });
  }
  const options = { signal, ownContentIds: ['ours@deskgraph'] };
  await sending.completeDraft(access, graphMessageId, mail, options);
  const files = await sending.listDraftFiles(access, graphMessageId, signal);
  expect(files.map(({ contentId }) => contentId)).toEqual(['ours@deskgraph']);
});

describe('addresses', () => {
  test('of the own mailbox are read with what every sign-in has', async () => {
    const access = await sender(stage);
    const alias = access.emailAddress.replace('sender', 'Alias');
    await stage.control('PATCH', `/mailboxes/${access.emailAddress}`, {
      proxyAddresses: [`SMTP:${access.emailAddress}`, `smtp:${alias}`],
    });
    expect(await sending.readAddresses(access, ['User.Read'], signal)).toEqual({
      primary: access.emailAddress,
      aliases: [alias.toLowerCase()],
      displayName: 'Sam Sender',
    });
  });

  test('of another mailbox need a permission of the directory, and are null without it', async () => {
    const access = await shared();
    const counter = { requests: 0 };
    const counted = sending.withCounter(counter);
    expect(await counted.readAddresses(access, ['Mail.ReadWrite.Shared'], signal)).toBeNull();
    expect(counter.requests).toBe(0);
    // It was granted once, and has been taken back.
    expect(await counted.readAddresses(access, ['User.Read.All'], signal)).toBeNull();
  });
});
