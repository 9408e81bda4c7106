import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { registerAtMicrosoft } from '../connect/administrator.ts';
import { rowId } from '../security/filled-desk.ts';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';
import {
  accountIdOf,
  identitiesOf,
  OUTGOING,
  runSending,
  type SendingAnswer,
  type SendingMutation,
} from './sending-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const run = (name: SendingMutation, input: Record<string, unknown>, apiKey?: string) =>
  runSending(stage.app, stage.desk, name, input, apiKey);
const update = (mailboxId: string, change: Record<string, unknown>, apiKey?: string) =>
  run('updateOutgoingSettings', { mailboxId, ...change }, apiKey);
const sender = () => stage.desk.connectMailbox(undefined, { sends: true });
const identityOf = async (mailboxId: string) =>
  (await identitiesOf(stage.desk, mailboxId)).identities[0]?.id ?? '';
const outgoingOf = async (mailboxId: string) => {
  const { node } = await stage.desk.request<{ node: SendingAnswer['mailbox'] }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { id ${OUTGOING} } } }`,
    { id: mailboxId },
  );
  return node.outgoing;
};
const eventsOf = async (mailboxId: string): Promise<number> => {
  const em = forkFor(stage.app.database, stage.desk.organizationId);
  const rows = await em.execute<unknown[]>(
    `select from event where organization_id = ? and type = 'mailbox.changed' and payload ->> 'mailboxId' = ?`,
    [stage.desk.organizationId, rowId(mailboxId)],
  );
  return rows.length;
};

describe('updateOutgoingSettings', () => {
  test('switches sending on and off, apart from incoming mail, and tells of it once', async () => {
    const { mailboxId } = await sender();
    expect(await outgoingOf(mailboxId)).toMatchObject({ enabled: true, problem: null });
    const before = await eventsOf(mailboxId);
    for (let times = 0; times < 2; times += 1) {
      expect(await update(mailboxId, { enabled: false })).toMatchObject({
        mailbox: {
          outgoing: {
            enabled: false,
            problem: { code: 'OUTGOING_DISABLED', remedy: expect.stringContaining('updateOutgoingSettings') },
          },
        },
      });
    }
    expect(await eventsOf(mailboxId)).toBe(before + 1);
    await stage.desk.enable(mailboxId);
    expect(await outgoingOf(mailboxId)).toMatchObject({ enabled: false });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      mailbox: { outgoing: { problem: null } },
    });
  });

  test('keeps default identity and from name; what is left out stays, null takes it away', async () => {
    const { mailboxId, address } = await sender();
    const defaultIdentityId = await identityOf(mailboxId);
    expect(await update(mailboxId, { defaultIdentityId, fromName: ' The Desk ' })).toMatchObject({
      mailbox: { outgoing: { fromName: 'The Desk', defaultIdentity: { emailAddress: address } } },
    });
    expect(await update(mailboxId, { fromName: null })).toMatchObject({
      mailbox: { outgoing: { enabled: true, fromName: null, defaultIdentity: { emailAddress: address } } },
    });
    expect(await update(mailboxId, { defaultIdentityId: null })).toMatchObject({
      mailbox: { outgoing: { defaultIdentity: null } },
    });
  });

  test('a sign-in without Mail.Send: enabling is refused with CONSENT_REQUIRED and the purpose to sign in for', async () => {
    const { mailboxId } = await stage.desk.connectMailbox();
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      __typename: 'CannotSendError',
      code: 'CONSENT_REQUIRED',
      message: expect.stringContaining('Mail.Send'),
      remedy: expect.stringContaining('purpose SENDING)'),
    });
    expect(await outgoingOf(mailboxId)).toMatchObject({
      enabled: false,
      problem: { code: 'CONSENT_REQUIRED' },
    });
  });

  test('a shared mailbox needs Mail.Send.Shared, and can send once it was granted', async () => {
    const agent = await stage.newMailbox();
    const emailAddress = await stage.newMailbox({ kind: 'shared', fullAccess: [agent] });
    const { accountId, integrationId } = await stage.connect(agent);
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress });
    const mailboxId = mailbox?.id ?? '';
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      code: 'CONSENT_REQUIRED',
      message: expect.stringContaining('Mail.Send.Shared'),
      remedy: expect.stringContaining('SENDING_SHARED'),
    });
    await stage.connect(agent, 'SENDING_SHARED', integrationId);
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      mailbox: { outgoing: { enabled: true, problem: null } },
    });
  });

  test('application mode without Mail.Send: CONSENT_REQUIRED with the application permission, until it is granted', async () => {
    const { accountId, clientId } = await stage.connectTenant();
    const emailAddress = await stage.newMailbox();
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress });
    const mailboxId = mailbox?.id ?? '';
    await registerAtMicrosoft(stage.app, { clientId, roles: ['Mail.ReadWrite'] });
    await run('refreshAccount', { accountId });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      code: 'CONSENT_REQUIRED',
      message: expect.stringContaining('Mail.Send'),
      remedy: expect.stringContaining('application permission Mail.Send'),
    });
    await registerAtMicrosoft(stage.app, { clientId, roles: ['Mail.ReadWrite', 'Mail.Send'] });
    await run('refreshAccount', { accountId });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      mailbox: { outgoing: { enabled: true, problem: null } },
    });
  });

  test('application mode by roles of Exchange: one for sending alone is not seen, and said to be; both are', async () => {
    const { accountId, clientId } = await stage.connectTenant();
    const emailAddress = await stage.newMailbox();
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress });
    const mailboxId = mailbox?.id ?? '';
    const assigned = (...roles: string[]) =>
      stage.exchange(
        'app-access',
        { clientId, tenant: 'contoso.example', assignments: [{ roles, members: [emailAddress] }] },
        'PUT',
      );
    await registerAtMicrosoft(stage.app, { clientId, roles: ['Mail.ReadWrite'] });
    await run('refreshAccount', { accountId });
    await assigned('Mail.Send');
    const { code, remedy } = await update(mailboxId, { enabled: true });
    expect(code).toBe('CONSENT_REQUIRED');
    expect(remedy).toMatch(/take Mail\.ReadWrite back in Entra.*both.*verifyMailboxAccess/);
    // What the remedy says.
    await registerAtMicrosoft(stage.app, { clientId, roles: [] });
    await assigned('Mail.ReadWrite', 'Mail.Send');
    await run('refreshAccount', { accountId });
    await stage.run('verifyMailboxAccess', { accountId, emailAddress });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({
      mailbox: { outgoing: { enabled: true, problem: null } },
    });
  });

  test('no identity that can send: enabling is refused with the reason', async () => {
    const { mailboxId } = await sender();
    await update(mailboxId, { enabled: false });
    await run('assignSenderProfile', { identityId: await identityOf(mailboxId), senderProfileId: null });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({ code: 'IDENTITY_WITHOUT_PROFILE' });
  });

  test('a disconnected account: sending is off, ACCOUNT_DISCONNECTED says why, and enabling is refused', async () => {
    const { mailboxId } = await sender();
    await run('disconnectAccount', { accountId: await accountIdOf(stage.desk, mailboxId) });
    expect(await outgoingOf(mailboxId)).toMatchObject({
      enabled: false,
      problem: { code: 'ACCOUNT_DISCONNECTED', remedy: expect.stringContaining('reauthenticate') },
    });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({ code: 'ACCOUNT_DISCONNECTED' });
    const { identities } = await identitiesOf(stage.desk, mailboxId);
    expect(identities).toMatchObject([{ canSend: false, problem: { code: 'ACCOUNT_DISCONNECTED' } }]);
  });

  test('a removed mailbox: sending is off and MAILBOX_REMOVED says why', async () => {
    const { mailboxId } = await sender();
    expect(await run('removeMailbox', { mailboxId })).toMatchObject({
      mailbox: { outgoing: { enabled: false, problem: { code: 'MAILBOX_REMOVED' } } },
    });
    expect(await update(mailboxId, { enabled: true })).toMatchObject({ code: 'MAILBOX_REMOVED' });
  });

  test.each([
    ['a name over two lines', { fromName: 'A\r\nBcc: b@contoso.example' }, 'INVALID_INPUT'],
    ['a name that is too long', { fromName: 'x'.repeat(101) }, 'INVALID_INPUT'],
    ['an identity that there is not', { defaultIdentityId: 'nothing' }, 'NOT_FOUND'],
    ['a user that there is not', { personalUserId: 'nothing' }, 'NOT_FOUND'],
  ])('%s is refused', async (_name, change, code) => {
    const { mailboxId } = await shared();
    expect(await update(mailboxId, change)).toMatchObject({ code });
  });

  test('an identity of another mailbox: NOT_FOUND', async () => {
    const [{ mailboxId }, other] = [await shared(), await sender()];
    const defaultIdentityId = await identityOf(other.mailboxId);
    expect(await update(mailboxId, { defaultIdentityId })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a mailbox of another organization: NOT_FOUND; who does not manage mailboxes may not', async () => {
    const { mailboxId } = await shared();
    const other = await stage.app.newDesk();
    const input = { mailboxId, enabled: false };
    expect(await runSending(stage.app, other, 'updateOutgoingSettings', input)).toMatchObject({
      code: 'NOT_FOUND',
    });
    const { secret } = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(update(mailboxId, { enabled: false }, secret)).rejects.toThrow('mailbox:manage');
  });
});

describe('updateOutgoingPolicy', () => {
  test('keeps default identity and personal senders; what is so already changes nothing', async () => {
    const { mailboxId } = await shared();
    const defaultIdentityId = await identityOf(mailboxId);
    const policy = { defaultIdentity: { id: defaultIdentityId }, allowsPersonalSenders: true };
    const input = { defaultIdentityId, allowsPersonalSenders: true };
    expect((await run('updateOutgoingPolicy', input)).organization.outgoingPolicy).toEqual(policy);
    expect((await run('updateOutgoingPolicy', {})).organization.outgoingPolicy).toEqual(policy);
    expect(await run('updateOutgoingPolicy', { defaultIdentityId: null })).toMatchObject({
      organization: { outgoingPolicy: { defaultIdentity: null, allowsPersonalSenders: true } },
    });
  });

  test('refuses identities that cannot be sent as, of nobody, and of another organization', async () => {
    const { mailboxId } = await sender();
    const identityId = await identityOf(mailboxId);
    await run('assignSenderProfile', { identityId, senderProfileId: null });
    expect(await run('updateOutgoingPolicy', { defaultIdentityId: identityId })).toMatchObject({
      code: 'IDENTITY_WITHOUT_PROFILE',
    });
    const other = await stage.app.newDesk();
    const input = { defaultIdentityId: identityId };
    expect(await runSending(stage.app, other, 'updateOutgoingPolicy', input)).toMatchObject({
      code: 'NOT_FOUND',
    });
    const { secret } = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(run('updateOutgoingPolicy', input, secret)).rejects.toThrow('organization:manage');
  });
});

describe('somebody’s own mailbox', () => {
  test('is refused where the organization does not allow it, for who may not answer, and as its default', async () => {
    const { mailboxId } = await sender();
    await run('updateOutgoingPolicy', { allowsPersonalSenders: false });
    const agent = await person('AGENT');
    expect(await update(mailboxId, { personalUserId: agent.id })).toMatchObject({
      code: 'PERSONAL_SENDER_NOT_ALLOWED',
    });
    await run('updateOutgoingPolicy', { allowsPersonalSenders: true });
    const viewer = await person('VIEWER');
    expect(await update(mailboxId, { personalUserId: viewer.id })).toMatchObject({ code: 'INVALID_INPUT' });
    const defaultIdentityId = await identityOf(mailboxId);
    await run('updateOutgoingPolicy', { defaultIdentityId });
    expect(await update(mailboxId, { personalUserId: agent.id })).toMatchObject({ code: 'INVALID_INPUT' });
    await run('updateOutgoingPolicy', { defaultIdentityId: null });
    expect(await update(mailboxId, { personalUserId: agent.id })).toMatchObject({
      mailbox: { outgoing: { personalUser: { id: agent.id } } },
    });
    expect(await run('updateOutgoingPolicy', { defaultIdentityId })).toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('is offered to its user alone, and to nobody once the organization no longer allows it', async () => {
    const [{ mailboxId, address }, agent, other] = [
      await sender(),
      await person('AGENT'),
      await person('AGENT'),
    ];
    await run('updateOutgoingPolicy', { allowsPersonalSenders: true });
    await update(mailboxId, { personalUserId: agent.id });
    const ticketId = await newTicket();
    expect(await offeredTo(ticketId, agent.secret)).toContainEqual({ address, canSend: true, code: null });
    expect((await offeredTo(ticketId, other.secret)).map((one) => one.address)).not.toContain(address);
    expect((await offeredTo(ticketId, stage.desk.apiKey)).map((one) => one.address)).not.toContain(address);
    await run('updateOutgoingPolicy', { allowsPersonalSenders: false });
    expect(await offeredTo(ticketId, agent.secret)).toContainEqual({
      address,
      canSend: false,
      code: 'PERSONAL_SENDER_NOT_ALLOWED',
    });
  });
});

async function person(role: 'AGENT' | 'VIEWER'): Promise<{ id: string; secret: string }> {
  const { user, secret } = await signIn(stage.app.database, stage.desk.organizationId, role);
  return { id: encodeGlobalId('User', user.id), secret };
}

async function newTicket(): Promise<string> {
  const { createTicket } = await stage.desk.request<{ createTicket: { ticket: { id: string } } }>(
    `mutation { createTicket(input: { subject: "A", text: "B", requesterEmail: "c@fabrikam.example" }) {
       ... on CreateTicketPayload { ticket { id } } } }`,
  );
  return createTicket.ticket.id;
}

interface Offered {
  identity: { emailAddress: string };
  canSend: boolean;
  problem: { code: string } | null;
}

async function offeredTo(ticketId: string, apiKey: string) {
  const response = await fetch(`${stage.app.url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      query:
        'query ($id: ID!) { ticket(id: $id) { identities { identity { emailAddress } canSend problem { code } } } }',
      variables: { id: ticketId },
    }),
  });
  const { data } = (await response.json()) as { data: { ticket: { identities: Offered[] } } };
  return data.ticket.identities.map(({ identity, canSend, problem }) => ({
    address: identity.emailAddress,
    canSend,
    code: problem?.code ?? null,
  }));
}

let first: { mailboxId: string } | null = null;
/** One that tests share which change nothing of it. */
async function shared(): Promise<{ mailboxId: string }> {
  first ??= await sender();
  return first;
}
