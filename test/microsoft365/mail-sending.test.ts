import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GraphError } from '../../src/microsoft365/graph-error.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import type { MailSending, OutgoingMail } from '../../src/microsoft365/mail-sending.ts';
import { type Stage, startStage } from './harness.ts';
import { draftAt, outgoing, sender } from './sending-harness.ts';

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

async function mailTo(access: MailboxAccess, mail: Partial<OutgoingMail> = {}): Promise<OutgoingMail> {
  return { ...outgoing(access), ...mail };
}

describe('a draft', () => {
  test('is made with sender, recipients, headers and properties, and is found by its id', async () => {
    const access = await sender(stage);
    const mail = await mailTo(access, {
      replyTo: [{ name: null, emailAddress: `help@contoso.example` }],
      cc: [{ name: 'Dana', emailAddress: 'dana@fabrikam.example' }],
      inReplyTo: '<two@fabrikam.example>',
      references: ['<one@fabrikam.example>', '<two@fabrikam.example>'],
    });
    const copy = await sending.createDraft(access, mail, signal);
    expect(copy).toMatchObject({ isDraft: true, folder: 'DRAFTS', sentAt: null });
    expect(copy.internetMessageId).toMatch(/^<.+>$/);
    expect(copy.from?.emailAddress).toBe(access.emailAddress);
    expect(await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal)).toEqual([copy]);
    expect(await sending.findByOutboundMessageId(access, randomUUID(), signal)).toEqual([]);
    expect(await sending.getCopy(access, copy.graphMessageId, signal)).toEqual(copy);

    const draft = await draftAt(stage, access, copy.graphMessageId);
    expect(draft.to).toEqual(['carol@fabrikam.example']);
    expect(draft.cc).toEqual(['dana@fabrikam.example']);
    expect(draft.replyTo).toEqual(['help@contoso.example']);
    expect(draft.subject).toBe(mail.subject);
    expect(draft.properties).toMatchObject({
      'String 0x1042': '<two@fabrikam.example>',
      'String 0x1039': '<one@fabrikam.example> <two@fabrikam.example>',
    });
    expect(draft.headers).toMatchObject({
      'x-deskgraph-organization': mail.organizationId,
      'x-deskgraph-outbound-message': mail.outboundMessageId,
    });
    // Whoever writes to a customer wants to know that the customer is away.
    expect(draft.headers).not.toHaveProperty('x-auto-response-suppress');
  });

  test('of a machine tells other machines not to answer', async () => {
    const access = await sender(stage);
    const mail = await mailTo(access, { isAutomatic: true });
    const { graphMessageId } = await sending.createDraft(access, mail, signal);
    const draft = await draftAt(stage, access, graphMessageId);
    expect(draft.headers['x-auto-response-suppress']).toBe('All');
    expect(draft.properties['String {00020386-0000-0000-C000-000000000046} Name Auto-Submitted']).toBe(
      'auto-generated',
    );
  });

  test('whose text is too large is refused before Microsoft is asked', async () => {
    const access = await sender(stage);
    const mail = await mailTo(access, { body: { contentType: 'html', content: 'x'.repeat(2_500_001) } });
    const counter = { requests: 0 };
    const error = await failure(sending.withCounter(counter).createDraft(access, mail, signal));
    expect(error.code).toBe('MESSAGE_TOO_LARGE');
    expect(counter.requests).toBe(0);
  });
});

describe('a reply', () => {
  test('is threaded by Exchange, and says what we say instead of what Exchange fills in', async () => {
    const access = await sender(stage);
    const answered = await stage.post(access.emailAddress, { subject: 'Printer on fire', text: 'It burns.' });
    const mail = await mailTo(access, {
      answersGraphMessageId: answered,
      to: [{ name: null, emailAddress: 'erin@fabrikam.example' }],
      subject: 'Re: Printer on fire [#7]',
      body: { contentType: 'html', content: '<p>Take the <b>extinguisher</b>.</p>' },
    });
    const copy = await sending.createDraft(access, mail, signal);
    const draft = await draftAt(stage, access, copy.graphMessageId);
    expect(draft.to).toEqual(['erin@fabrikam.example']);
    expect(draft.subject).toBe('Re: Printer on fire [#7]');
    expect(draft.content).toContain('extinguisher');
    expect(draft.content).not.toContain('It burns');
    expect(draft.headers).toMatchObject({ 'x-deskgraph-outbound-message': mail.outboundMessageId });
    expect(await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal)).toEqual([copy]);
  });

  test('to a mail that is gone is a mail of its own with the threading headers', async () => {
    const access = await sender(stage);
    const gone = await mailTo(access, {
      answersGraphMessageId: 'AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAA=',
      inReplyTo: '<gone@fabrikam.example>',
    });
    const { graphMessageId } = await sending.createDraft(access, gone, signal);
    const draft = await draftAt(stage, access, graphMessageId);
    expect(draft.properties).toMatchObject({
      'String 0x1042': '<gone@fabrikam.example>',
      'String 0x1039': '<gone@fabrikam.example>',
    });
  });

  test.each([
    ['a report', 'ErrorInvalidReferenceItem'],
    ['of a mailbox that had the address before', 'ErrorInvalidMailboxItemId'],
  ])('to what Exchange makes no replies to (%s) is a mail of its own as well', async (_what, errorCode) => {
    const access = await sender(stage);
    const mail = await mailTo(access, { answersGraphMessageId: await stage.post(access.emailAddress) });
    const { id } = (await stage.control('POST', '/faults', {
      status: 400,
      errorCode,
      method: 'POST',
      mailbox: access.emailAddress,
      pathPattern: 'createReply$',
    })) as { id: string };
    const copy = await sending.createDraft(access, mail, signal);
    await stage.control('DELETE', `/faults/${id}`);
    expect(await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal)).toEqual([copy]);
  });

  test.each(['expand=singleValue', '/attachments'])(
    'that cannot be looked at once it is made (%s) leaves that unclear, and is found',
    async (pathPattern) => {
      const access = await sender(stage);
      const mail = await mailTo(access, { answersGraphMessageId: await stage.post(access.emailAddress) });
      const fault = { status: 403, errorCode: 'ErrorAccessDenied', mailbox: access.emailAddress };
      const { id } = (await stage.control('POST', '/faults', { ...fault, method: 'GET', pathPattern })) as {
        id: string;
      };
      const error = await failure(sending.createDraft(access, mail, signal));
      await stage.control('DELETE', `/faults/${id}`);
      expect([error.code, error.isUnclear]).toEqual(['MAILBOX_ACCESS_DENIED', true]);
      expect((await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal)).length).toBe(1);
    },
  );

  test('that a crash left as Exchange had made it is put right when it is found', async () => {
    const access = await sender(stage);
    const mail = await mailTo(access, {
      answersGraphMessageId: await stage.post(access.emailAddress),
    });
    const { graphMessageId } = await sending.createDraft(access, mail, signal);
    const wanted = {
      ...mail,
      subject: 'Another subject',
      to: [{ name: null, emailAddress: 'frank@fabrikam.example' }],
    };
    const again = { signal, ownContentIds: [] };
    expect(await sending.completeDraft(access, graphMessageId, wanted, again)).toMatchObject({
      isDraft: true,
    });
    const draft = await draftAt(stage, access, graphMessageId);
    expect([draft.subject, draft.to]).toEqual(['Another subject', ['frank@fabrikam.example']]);
    const counter = { requests: 0 };
    await sending.withCounter(counter).completeDraft(access, graphMessageId, wanted, again);
    // It is read with its files, and nothing is written.
    expect(counter.requests).toBe(2);
    expect(
      await sending.completeDraft(access, `${graphMessageId.slice(0, -4)}AAA=`, wanted, again),
    ).toBeNull();
  });
});

describe('sending', () => {
  test('turns the draft into a sent mail with the same id', async () => {
    const access = await sender(stage);
    const mail = await mailTo(access);
    const { graphMessageId, internetMessageId } = await sending.createDraft(access, mail, signal);
    await sending.sendDraft(access, graphMessageId, signal);
    const [copy] = await sending.findByOutboundMessageId(access, mail.outboundMessageId, signal);
    expect(copy).toMatchObject({ isDraft: false, folder: 'SENT_ITEMS', internetMessageId });
    expect(copy?.sentAt).toBeInstanceOf(Date);
  });

  test('sends no content, and is never repeated, not even when throttled', async () => {
    const access = await sender(stage);
    const { graphMessageId } = await sending.createDraft(access, await mailTo(access), signal);
    for (const [fault, isUnclear] of [
      [{ status: 429, retryAfterSeconds: 0.01 }, false],
      [{ status: 503, retryAfterSeconds: 0.01 }, false],
      [{ status: 503 }, true],
      [{ status: 504 }, true],
      [{ status: 500 }, true],
      [{ status: 502 }, true],
      [{ status: 408 }, true],
    ] as const) {
      const path = `/messages/.*/send$`;
      const added = (await stage.control('POST', '/faults', {
        method: 'POST',
        mailbox: access.emailAddress,
        pathPattern: path,
        ...fault,
      })) as { id: string };
      const counter = { requests: 0 };
      const error = await failure(sending.withCounter(counter).sendDraft(access, graphMessageId, signal));
      expect(counter.requests).toBe(1);
      expect([error.status, error.isUnclear]).toEqual([fault.status, isUnclear]);
      await stage.control('DELETE', `/faults/${added.id}`);
    }
  });
});

describe('deleting a draft', () => {
  test('is done once, and never to a mail that was sent', async () => {
    const access = await sender(stage);
    const { graphMessageId } = await sending.createDraft(access, await mailTo(access), signal);
    await sending.deleteDraft(access, graphMessageId, signal);
    await sending.deleteDraft(access, 'AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAA=', signal);
    const kept = await sending.createDraft(access, await mailTo(access), signal);
    await sending.sendDraft(access, kept.graphMessageId, signal);
    const error = await failure(sending.deleteDraft(access, kept.graphMessageId, signal));
    expect(error.code).toBe('REQUEST_REFUSED');
    expect(await sending.getCopy(access, kept.graphMessageId, signal)).toMatchObject({ isDraft: false });
  });
});
