import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  chooseIdentity,
  inOrder,
  pickSender,
  refusalOf,
  type Sender,
} from '../../src/mailboxes/choose-identity.ts';
import { markIdentity } from '../../src/mailboxes/identities.ts';
import type { Identity } from '../../src/mailboxes/identity.entity.ts';
import type { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { whyMailboxCannotSend } from '../../src/mailboxes/outgoing-settings.ts';
import type { SenderProfile } from '../../src/mailboxes/sender-profile.entity.ts';
import { CannotSendError } from '../../src/mailboxes/sending-errors.ts';
import type { Account } from '../../src/microsoft365/account.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { rowId } from '../security/filled-desk.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import {
  accountIdOf,
  addressesAreRead,
  identitiesOf,
  runSending,
  type SendingMutation,
} from './sending-harness.ts';

const PRIMARY = 'support@contoso.example';
const ALIAS = 'help@contoso.example';
const AGENT = 'agent';
const PROBLEM = { code: 'SEND_AS_DENIED', message: 'No.', remedy: 'Ask.', since: '2026-11-21T12:00:00.000Z' };

/** A sender that can send, but for what is said of it. */
function senderOf(
  emailAddress: string,
  {
    identity = {},
    mailbox = {},
    account = {},
    profile = {},
  }: {
    identity?: object;
    mailbox?: object;
    account?: object | null;
    profile?: object | null;
  } = {},
): Sender {
  const isPrimary = emailAddress === PRIMARY;
  return {
    identity: {
      id: emailAddress,
      emailAddress,
      kind: isPrimary ? 'PRIMARY' : 'ALIAS',
      status: 'ACTIVE',
      ...identity,
    } as Identity,
    mailbox: {
      id: 'm',
      kind: 'PRIMARY',
      emailAddress: PRIMARY,
      displayName: 'Support',
      outgoingEnabled: true,
      ...mailbox,
    } as Mailbox,
    account:
      account &&
      ({
        kind: 'USER',
        status: 'ACTIVE',
        emailAddress: PRIMARY,
        grantedScopes: ['Mail.Send'],
        ...account,
      } as Account),
    profile: profile && ({ id: 'p', ...profile } as SenderProfile),
  };
}
const POLICY = { allowsPersonalSenders: true };
const pick = (
  own: Sender[],
  addressedTo: string[] = [],
  fallback: Sender | null = null,
  userId: string | null = AGENT,
) => {
  const picked = pickSender(inOrder(own, addressedTo), fallback, (one) => refusalOf(one, POLICY, userId));
  return picked instanceof CannotSendError ? picked.code : picked.identity.emailAddress;
};

describe('which identity an answer is sent as', () => {
  const both = [senderOf(PRIMARY), senderOf(ALIAS)];
  const elsewhere = senderOf('office@contoso.example', { mailbox: { id: 'other' } });
  const withDefault = [
    senderOf(PRIMARY, { mailbox: { defaultIdentityId: ALIAS } }),
    senderOf(ALIAS, { mailbox: { defaultIdentityId: ALIAS } }),
  ];
  const all = (about: Parameters<typeof senderOf>[1]) => [senderOf(PRIMARY, about), senderOf(ALIAS, about)];

  test.each([
    [
      'the address that the customer wrote to',
      both,
      ['x@fabrikam.example', ALIAS.toUpperCase()],
      null,
      ALIAS,
    ],
    ['the default of the mailbox, when they wrote to none', withDefault, [], null, ALIAS],
    ['the address before the default', withDefault, [PRIMARY], null, PRIMARY],
    ['the primary address, without a default', both, [], null, PRIMARY],
    ['the default of the organization, without a mailbox', [], [], elsewhere, 'office@contoso.example'],
    [
      'the default of the organization, where sending is off',
      all({ mailbox: { outgoingEnabled: false } }),
      [ALIAS],
      elsewhere,
      'office@contoso.example',
    ],
    [
      'the default of the organization, for a removed mailbox',
      all({ mailbox: { removedAt: new Date(0) } }),
      [],
      elsewhere,
      'office@contoso.example',
    ],
    [
      'the next one of the mailbox, when one is denied',
      [senderOf(PRIMARY), senderOf(ALIAS, { identity: { status: 'DENIED', problem: PROBLEM } })],
      [ALIAS],
      elsewhere,
      PRIMARY,
    ],
    [
      'the next one, when one is gone',
      [senderOf(PRIMARY), senderOf(ALIAS, { identity: { status: 'GONE' } })],
      [ALIAS],
      null,
      PRIMARY,
    ],
    [
      'the next one, when one has no profile',
      [senderOf(PRIMARY), senderOf(ALIAS, { profile: null })],
      [ALIAS],
      null,
      PRIMARY,
    ],
    [
      'never a removed one',
      [senderOf(PRIMARY), senderOf(ALIAS, { identity: { removedAt: new Date(0) } })],
      [ALIAS],
      null,
      PRIMARY,
    ],
    [
      'one that nobody has tried yet',
      [senderOf(PRIMARY), senderOf(ALIAS, { identity: { status: 'UNVERIFIED' } })],
      [ALIAS],
      null,
      ALIAS,
    ],
    [
      'none from elsewhere while the account has to sign in',
      all({ account: { status: 'NEEDS_SIGN_IN' } }),
      [],
      elsewhere,
      'SIGN_IN_REQUIRED',
    ],
    [
      'none from elsewhere while a permission is missing',
      all({ account: { grantedScopes: [] } }),
      [],
      elsewhere,
      'CONSENT_REQUIRED',
    ],
    [
      'none, with the reason of the mailbox',
      all({ mailbox: { outgoingEnabled: false } }),
      [],
      null,
      'OUTGOING_DISABLED',
    ],
    ['none, where there is nothing at all', [], [], null, 'NO_IDENTITY'],
    [
      'the mailbox all the same while Microsoft throttles it',
      all({ account: { status: 'THROTTLED' } }),
      [],
      elsewhere,
      PRIMARY,
    ],
    ['the own mailbox of who answers', all({ mailbox: { personalUserId: AGENT } }), [], elsewhere, PRIMARY],
    [
      'not the own mailbox of somebody else',
      all({ mailbox: { personalUserId: 'somebody' } }),
      [],
      elsewhere,
      'office@contoso.example',
    ],
  ] as const)('%s', (_name, own, addressedTo, fallback, expected) => {
    expect(pick([...own], [...addressedTo], fallback)).toBe(expected);
  });

  test('Deskgraph itself never sends from somebody’s own mailbox', () => {
    expect(pick(all({ mailbox: { personalUserId: AGENT } }), [], elsewhere, null)).toBe(
      'office@contoso.example',
    );
  });
});

describe('why a mailbox cannot send', () => {
  const why = (about: Parameters<typeof senderOf>[1]) => {
    const { mailbox, account } = senderOf(PRIMARY, about);
    const reason = whyMailboxCannotSend(mailbox, account);
    if (reason) expect(reason.remedy).toMatch(/^[A-Z].*\.$/);
    return reason?.code ?? null;
  };
  test.each([
    ['nothing', {}, null],
    ['removed', { mailbox: { removedAt: new Date(0) } }, 'MAILBOX_REMOVED'],
    ['its integration deleted', { account: null }, 'MAILBOX_REMOVED'],
    [
      'disconnected, before switched off',
      { account: { status: 'DISCONNECTED' }, mailbox: { outgoingEnabled: false } },
      'ACCOUNT_DISCONNECTED',
    ],
    ['to sign in again', { account: { status: 'NEEDS_SIGN_IN' } }, 'SIGN_IN_REQUIRED'],
    ['consent missing', { account: { status: 'NEEDS_CONSENT' } }, 'CONSENT_REQUIRED'],
    ['its credential expired', { account: { status: 'CREDENTIAL_EXPIRED' } }, 'CREDENTIAL_REFUSED'],
    ['no Mail.Send', { account: { grantedScopes: ['Mail.ReadWrite'] } }, 'CONSENT_REQUIRED'],
    ['shared with Mail.Send alone', { mailbox: { kind: 'SHARED' } }, 'CONSENT_REQUIRED'],
    [
      'shared with Mail.Send.Shared',
      { mailbox: { kind: 'SHARED' }, account: { grantedScopes: ['mail.send.shared'] } },
      null,
    ],
    [
      'a tenant without the role',
      { mailbox: { kind: 'TENANT' }, account: { kind: 'TENANT', grantedScopes: [] } },
      'CONSENT_REQUIRED',
    ],
    [
      'a tenant that Exchange lets in',
      {
        mailbox: { kind: 'TENANT' },
        account: { kind: 'TENANT', grantedScopes: [], accessProvenAt: new Date(0) },
      },
      null,
    ],
    ['switched off', { mailbox: { outgoingEnabled: false } }, 'OUTGOING_DISABLED'],
    ['unreachable for a while', { account: { status: 'UNREACHABLE' } }, null],
  ] as const)('%s', (_name, about, code) => {
    expect(why(about)).toBe(code);
  });
});

describe('with mailboxes of a desk', () => {
  let app: TestApp;
  let desk: Desk;
  let mailboxId: string;
  let address: string;
  beforeAll(async () => {
    app = await startTestApp();
    desk = await app.newDesk();
    ({ mailboxId, address } = await desk.connectMailbox(undefined, { sends: true }));
    await addressesAreRead(app, mailboxId);
    await control(
      app.emulator.url,
      `mailboxes/${address}`,
      { proxyAddresses: [`SMTP:${address}`, `smtp:x-${address}`] },
      'PATCH',
    );
    await run('refreshAccount', { accountId: await accountIdOf(desk, mailboxId) });
  });
  afterAll(() => app?.[Symbol.asyncDispose]());
  const run = (name: SendingMutation, input: Record<string, unknown>) => runSending(app, desk, name, input);
  const em = () => forkFor(app.database, desk.organizationId);
  const choose = (
    wish: { addressedTo?: string[]; wantedIdentityId?: string } = {},
    organizationId = desk.organizationId,
  ) =>
    chooseIdentity(forkFor(app.database, organizationId), {
      organizationId,
      mailboxId: rowId(mailboxId),
      addressedTo: [],
      wantedIdentityId: null,
      userId: null,
      now: new Date('2026-11-21T12:00:00Z'),
      ...wish,
    });
  const aliasId = async () =>
    (await identitiesOf(desk, mailboxId)).identities.find(({ kind }) => kind === 'ALIAS')?.id ?? '';

  test('name, reply address and signature are those of the profile; the name of the mailbox where it has none', async () => {
    expect(await choose()).toMatchObject({
      from: { emailAddress: address },
      replyTo: [],
      signature: { text: null, html: null },
    });
    await run('updateOutgoingSettings', { mailboxId, fromName: 'The Desk' });
    expect((await choose()).from.name).toBe('The Desk');
    const { senderProfile } = await run('createSenderProfile', {
      name: 'Ours',
      fromName: 'Anna',
      replyTo: 'answers@contoso.example',
      signatureText: 'Regards',
      signatureHtml: '<p>Regards</p>',
    });
    await run('assignSenderProfile', { identityId: await aliasId(), senderProfileId: senderProfile.id });
    expect(await choose({ addressedTo: [`x-${address}`] })).toMatchObject({
      from: { name: 'Anna', emailAddress: `x-${address}` },
      replyTo: [{ emailAddress: 'answers@contoso.example' }],
      signature: { text: 'Regards', html: '<p>Regards</p>' },
    });
  });

  test('what somebody wants is taken if it can send; an unknown one, a removed one and one of another organization are the same', async () => {
    const wantedIdentityId = rowId(await aliasId());
    expect((await choose({ wantedIdentityId })).identity.id).toBe(wantedIdentityId);
    await expect(choose({ wantedIdentityId: crypto.randomUUID() })).rejects.toMatchObject({
      code: 'IDENTITY_NOT_AVAILABLE',
    });
    const other = await app.newDesk();
    await expect(choose({ wantedIdentityId }, other.organizationId)).rejects.toMatchObject({
      code: 'IDENTITY_NOT_AVAILABLE',
    });
  });

  test('markIdentity: denied says why and is passed over; sent once it is ACTIVE; the same twice tells nobody', async () => {
    const id = rowId(await aliasId());
    const now = new Date('2026-11-21T12:00:00Z');
    const events = async () =>
      (
        await em().execute<unknown[]>(
          `select from event where organization_id = ? and type = 'mailbox.changed'`,
          [desk.organizationId],
        )
      ).length;
    const before = await events();
    await markIdentity(em(), id, 'DENIED', PROBLEM, now);
    await markIdentity(em(), id, 'DENIED', PROBLEM, now);
    expect(await events()).toBe(before + 1);
    await expect(choose({ wantedIdentityId: id })).rejects.toMatchObject({
      code: 'IDENTITY_DENIED',
      message: 'No.',
      remedy: 'Ask.',
    });
    expect((await choose({ addressedTo: [`x-${address}`] })).from.emailAddress).toBe(address);
    await markIdentity(em(), id, 'ACTIVE', null, now);
    expect((await choose({ addressedTo: [`x-${address}`] })).identity.id).toBe(id);
    await markIdentity(em(), crypto.randomUUID(), 'ACTIVE', null, now);
  });

  test('markIdentity takes part in the transaction of its caller', async () => {
    const id = rowId(await aliasId());
    const undone = em().transactional(async (tx) => {
      await markIdentity(tx, id, 'DENIED', PROBLEM, new Date('2026-11-21T12:00:00Z'));
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect((await choose({ wantedIdentityId: id })).identity.status).toBe('ACTIVE');
  });
});
