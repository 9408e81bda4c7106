import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { control } from '../support/app.ts';
import { foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type AccessDesk, startAccessDesk } from './access-harness.ts';
import {
  accountIdOf,
  addressesAreRead,
  type IdentityView,
  identitiesOf,
  runSending,
  type SendingMutation,
} from './sending-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const unique = () => crypto.randomUUID().slice(0, 8);
const run = (name: SendingMutation, input: Record<string, unknown>, apiKey?: string) =>
  runSending(stage.app, stage.desk, name, input, apiKey);
const setAddresses = (address: string, proxyAddresses: string[]) =>
  control(stage.app.emulator.url, `mailboxes/${address}`, { proxyAddresses }, 'PATCH');

/** A mailbox with aliases that may send, once all of them are identities. */
async function mailboxWith(aliases: string[]): Promise<{ mailboxId: string; address: string }> {
  const address = `desk-${unique()}@contoso.example`;
  const { mailboxId } = await stage.desk.connectMailbox(address, { sends: true });
  await addressesAreRead(stage.app, mailboxId);
  await setAddresses(address, [`SMTP:${address}`, ...aliases.map((alias) => `smtp:${alias}`)]);
  await refresh(mailboxId);
  return { mailboxId, address };
}
const refresh = async (mailboxId: string) =>
  run('refreshAccount', { accountId: await accountIdOf(stage.desk, mailboxId) });
const byAddress = async (mailboxId: string, address: string): Promise<IdentityView | undefined> =>
  (await identitiesOf(stage.desk, mailboxId)).identities.find(({ emailAddress }) => emailAddress === address);

describe('discovery', () => {
  test('who connects a mailbox can send as its primary address at once, with a profile of its name', async () => {
    const { mailboxId, address } = await stage.desk.connectMailbox(undefined, { sends: true });
    const { identities, identitiesProblem } = await identitiesOf(stage.desk, mailboxId);
    expect(identities).toMatchObject([
      { emailAddress: address, kind: 'PRIMARY', status: 'ACTIVE', canSend: true, problem: null },
    ]);
    expect(identities[0]?.senderProfile).not.toBeNull();
    expect(identitiesProblem).toBeNull();
  });

  test('aliases become identities by themselves after connecting, and by refreshAccount', async () => {
    const alias = `alias-${unique()}@contoso.example`;
    const address = await stage.newMailbox({ aliases: [alias] });
    await stage.connect(address, 'SENDING');
    const { id } = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address) ?? {
      id: '',
    };
    await eventually('the alias is known', async () => (await byAddress(id, alias)) !== undefined);
    const later = `later-${unique()}@contoso.example`;
    await setAddresses(address, [`SMTP:${address}`, `smtp:${alias}`, `smtp:${later}`]);
    await refresh(id);
    const { identities } = await identitiesOf(stage.desk, id);
    expect(identities.map(({ emailAddress, kind }) => [emailAddress, kind])).toEqual([
      [address, 'PRIMARY'],
      ...[alias, later].sort().map((one) => [one, 'ALIAS']),
    ]);
    expect(new Set(identities.map(({ senderProfile }) => senderProfile?.id)).size).toBe(1);
  });

  test('an address that disappears is GONE and cannot be sent as; it is ACTIVE when it is back; both twice change nothing', async () => {
    const alias = `alias-${unique()}@contoso.example`;
    const { mailboxId, address } = await mailboxWith([alias]);
    const before = await byAddress(mailboxId, alias);
    expect(before).toMatchObject({ kind: 'ALIAS', status: 'ACTIVE', canSend: true });
    await setAddresses(address, [`SMTP:${address}`]);
    await refresh(mailboxId);
    await refresh(mailboxId);
    expect(await byAddress(mailboxId, alias)).toMatchObject({
      id: before?.id,
      status: 'GONE',
      canSend: false,
      problem: { code: 'IDENTITY_GONE', message: expect.stringContaining(alias) },
    });
    await setAddresses(address, [`SMTP:${address}`, `smtp:${alias}`]);
    await refresh(mailboxId);
    await refresh(mailboxId);
    expect(await byAddress(mailboxId, alias)).toMatchObject({
      id: before?.id,
      status: 'ACTIVE',
      canSend: true,
      problem: null,
    });
  });

  test('of a shared mailbox whose addresses may not be read only the primary one is known, and that is said', async () => {
    const agent = await stage.newMailbox();
    const shared = await stage.newMailbox({
      kind: 'shared',
      fullAccess: [agent],
      aliases: [`x-${unique()}@contoso.example`],
    });
    const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
    const known = await eventually('the addresses were asked for', async () => {
      const read = await identitiesOf(stage.desk, mailbox?.id ?? '');
      return read.identitiesProblem !== null && read;
    });
    expect(known).toMatchObject({
      identities: [{ emailAddress: shared, kind: 'PRIMARY' }],
      identitiesProblem: {
        code: 'ADDRESSES_NOT_READABLE',
        remedy: expect.stringContaining('addSendAsAddress'),
      },
    });
  });
});

describe('addSendAsAddress', () => {
  test('an address of another mailbox that may be sent as: UNVERIFIED, and nothing is left in Drafts', async () => {
    const { mailboxId, address } = await stage.desk.connectMailbox(undefined, { sends: true });
    const other = await stage.newMailbox({ kind: 'shared', sendAs: [address] });
    const { identity } = await run('addSendAsAddress', {
      mailboxId,
      emailAddress: ` ${other.toUpperCase()} `,
    });
    expect(identity).toMatchObject({
      emailAddress: other,
      kind: 'SEND_AS',
      status: 'UNVERIFIED',
      canSend: true,
      problem: null,
    });
    expect(identity.senderProfile).not.toBeNull();
    const again = await run('addSendAsAddress', { mailboxId, emailAddress: other });
    expect(again.identity).toMatchObject({ id: identity.id, status: 'UNVERIFIED' });
    const folders = await foldersOf(stage.app.emulator.url, address);
    expect(folders.get('Drafts')).toEqual([]);
    expect(folders.get('Sent Items')).toEqual([]);
  });

  test('where Microsoft refuses the draft it is DENIED, with the command for just this pair; adding it again checks anew', async () => {
    const { mailboxId, address } = await stage.desk.connectMailbox(undefined, { sends: true });
    const other = await stage.newMailbox({ kind: 'shared' });
    await control(stage.app.emulator.url, 'faults', {
      method: 'POST',
      pathPattern: '/messages$',
      mailbox: address,
      status: 403,
      errorCode: 'ErrorSendAsDenied',
    });
    const { identity } = await run('addSendAsAddress', { mailboxId, emailAddress: other });
    expect(identity).toMatchObject({
      status: 'DENIED',
      canSend: false,
      problem: {
        code: 'IDENTITY_DENIED',
        message: expect.stringContaining('Send As'),
        remedy: expect.stringContaining(
          `Add-RecipientPermission -Identity '${other}' -Trustee '${address}' -AccessRights SendAs`,
        ),
      },
    });
    await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
    expect((await run('addSendAsAddress', { mailboxId, emailAddress: other })).identity).toMatchObject({
      id: identity.id,
      status: 'UNVERIFIED',
      canSend: true,
      problem: null,
    });
  });

  test('while the mailbox cannot be asked nothing is saved, and the reason is told', async () => {
    const { mailboxId, address } = await stage.desk.connectMailbox(undefined, { sends: true });
    const other = await stage.newMailbox({ kind: 'shared' });
    await control(stage.app.emulator.url, 'faults', {
      method: 'POST',
      pathPattern: '/messages$',
      mailbox: address,
      status: 403,
    });
    expect(await run('addSendAsAddress', { mailboxId, emailAddress: other })).toMatchObject({
      __typename: 'GraphError',
      code: 'MAILBOX_ACCESS_DENIED',
    });
    await control(stage.app.emulator.url, 'faults', undefined, 'DELETE');
    expect(await byAddress(mailboxId, other)).toBeUndefined();
  });

  test.each(['', 'nobody', 'a b@contoso.example', 'x@contoso.example\r\nBcc: all@contoso.example'])(
    'no address: %j is INVALID_INPUT',
    async (emailAddress) => {
      const { mailboxId } = await firstMailbox();
      expect(await run('addSendAsAddress', { mailboxId, emailAddress })).toMatchObject({
        code: 'INVALID_INPUT',
      });
    },
  );

  test('a mailbox that does not exist, and one of another organization: NOT_FOUND', async () => {
    const { mailboxId } = await firstMailbox();
    const other = await stage.app.newDesk();
    const input = { mailboxId, emailAddress: 'sales@contoso.example' };
    expect(await runSending(stage.app, other, 'addSendAsAddress', input)).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await run('addSendAsAddress', { ...input, mailboxId: 'nothing' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('who does not manage mailboxes may not', async () => {
    const { mailboxId } = await firstMailbox();
    const { secret } = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
    await expect(
      run('addSendAsAddress', { mailboxId, emailAddress: 'sales@contoso.example' }, secret),
    ).rejects.toThrow('mailbox:manage');
  });
});

describe('removeIdentity', () => {
  test('takes an alias away for good; its mailbox goes back to the primary address, and that is told once', async () => {
    const alias = `alias-${unique()}@contoso.example`;
    const { mailboxId } = await mailboxWith([alias]);
    const identityId = (await byAddress(mailboxId, alias))?.id ?? '';
    await run('updateOutgoingSettings', { mailboxId, defaultIdentityId: identityId });
    await run('updateOutgoingPolicy', { defaultIdentityId: identityId });
    expect(await run('removeIdentity', { identityId })).toMatchObject({
      identity: {
        removedAt: expect.any(String),
        canSend: false,
        problem: { code: 'IDENTITY_NOT_AVAILABLE' },
      },
      mailbox: { outgoing: { enabled: true, defaultIdentity: null } },
      wasMailboxDefault: true,
      wasOrganizationDefault: true,
    });
    expect(await run('removeIdentity', { identityId })).toMatchObject({
      wasMailboxDefault: false,
      wasOrganizationDefault: false,
    });
    await refresh(mailboxId);
    expect(await byAddress(mailboxId, alias)).toBeUndefined();
    const { identity } = await run('addSendAsAddress', { mailboxId, emailAddress: alias });
    expect(identity).toMatchObject({ id: identityId, removedAt: null, canSend: true });
  });

  test('the primary address stays: PRIMARY_IDENTITY', async () => {
    const { mailboxId, address } = await firstMailbox();
    const identityId = (await byAddress(mailboxId, address))?.id ?? '';
    expect(await run('removeIdentity', { identityId })).toMatchObject({ code: 'PRIMARY_IDENTITY' });
  });

  test('one of another organization: NOT_FOUND; who does not manage mailboxes may not', async () => {
    const { mailboxId, address } = await firstMailbox();
    const identityId = (await byAddress(mailboxId, address))?.id ?? '';
    const other = await stage.app.newDesk();
    expect(await runSending(stage.app, other, 'removeIdentity', { identityId })).toMatchObject({
      code: 'NOT_FOUND',
    });
    const { secret } = await signIn(stage.app.database, stage.desk.organizationId, 'VIEWER');
    await expect(run('removeIdentity', { identityId }, secret)).rejects.toThrow('mailbox:manage');
  });
});

describe('appearance', () => {
  test('another name and an alias are warned of before anything is saved or sent', async () => {
    const alias = `alias-${unique()}@contoso.example`;
    const { mailboxId, address } = await mailboxWith([alias]);
    const { node } = await stage.desk.request<{
      node: { displayName: string; identities: { appearance: Record<string, unknown> }[] };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { displayName identities {
         appearance(fromName: "Anna") { name emailAddress seenAt warnings { kind } } } } } }`,
      { id: mailboxId },
    );
    expect(node.identities.map(({ appearance }) => appearance)).toEqual([
      { name: 'Anna', emailAddress: address, seenAt: null, warnings: [{ kind: 'NAME_MAY_BE_REPLACED' }] },
      {
        name: 'Anna',
        emailAddress: alias,
        seenAt: null,
        warnings: [{ kind: 'ADDRESS_MAY_BE_REPLACED' }, { kind: 'NAME_MAY_BE_REPLACED' }],
      },
    ]);
  });
});

let first: { mailboxId: string; address: string } | null = null;
/** One that tests share which only look. */
async function firstMailbox(): Promise<{ mailboxId: string; address: string }> {
  first ??= await stage.desk.connectMailbox(undefined, { sends: true });
  return first;
}
