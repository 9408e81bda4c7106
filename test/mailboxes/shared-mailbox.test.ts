import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { control } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { type AccessDesk, accessDesk, startAccessDesk, subjectsOf } from './access-harness.ts';

let stage: AccessDesk;
let agent: { address: string; accountId: string; integrationId: string };
beforeAll(async () => {
  stage = await startAccessDesk();
  const address = await stage.newMailbox();
  agent = { address, ...(await stage.connect(address)) };
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const shared = (options: Record<string, unknown> = {}) =>
  stage.newMailbox({ kind: 'shared', fullAccess: [agent.address], ...options });
const add = (emailAddress: string, rest: Record<string, unknown> = {}) =>
  stage.run('addSharedMailbox', { accountId: agent.accountId, emailAddress, ...rest });

describe('addSharedMailbox', () => {
  test('adds a mailbox that the account may open, switched off, and its mail becomes tickets once it is on', async () => {
    const emailAddress = await shared();
    const { mailbox, sending } = await add(emailAddress.toUpperCase());
    expect(mailbox).toMatchObject({
      emailAddress,
      kind: 'SHARED',
      removedAt: null,
      incoming: { enabled: false },
      account: { id: agent.accountId },
    });
    expect(sending).toMatchObject({ name: 'SEND', result: 'UNKNOWN', code: null });
    await stage.desk.enable(mailbox?.id ?? '', { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
    await deliver(stage.app.emulator.url, { to: emailAddress, subject: `To ${emailAddress}` });
    await stage.desk.sync(mailbox?.id ?? '');
    expect(await subjectsOf(stage.desk)).toContain(`To ${emailAddress}`);
  });

  test('an address that nobody has: MAILBOX_NOT_FOUND, and nothing is saved', async () => {
    const before = await stage.mailboxes();
    expect(await add('nobody-here@contoso.example')).toMatchObject({
      __typename: 'MailboxAccessError',
      code: 'MAILBOX_NOT_FOUND',
      message: expect.stringContaining('nobody-here@contoso.example'),
      remedy: expect.stringContaining('Exchange admin center'),
    });
    expect(await stage.mailboxes()).toEqual(before);
  });

  test('an address of another tenant: MAILBOX_NOT_FOUND', async () => {
    expect(await add('helpdesk@fabrikam.example')).toMatchObject({ code: 'MAILBOX_NOT_FOUND' });
  });

  test('a group or distribution list: MAILBOX_IS_GROUP, with how many it is', async () => {
    const address = `list-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    await stage.exchange('groups', { address, members: 7 });
    expect(await add(address)).toMatchObject({
      code: 'MAILBOX_IS_GROUP',
      message: expect.stringContaining('of 7'),
      remedy: expect.stringContaining('shared mailbox'),
    });
  });

  test('no licence, or on premises: MAILBOX_NOT_ENABLED', async () => {
    expect(await add('nora@contoso.example')).toMatchObject({
      code: 'MAILBOX_NOT_ENABLED',
      remedy: expect.stringContaining('licence'),
    });
  });

  test('no Full Access: MAILBOX_ACCESS_DENIED with the PowerShell for just this account and mailbox; granted, it is added', async () => {
    const emailAddress = await shared({ fullAccess: [] });
    const refused = await add(emailAddress);
    expect(refused).toMatchObject({ __typename: 'MailboxAccessError', code: 'MAILBOX_ACCESS_DENIED' });
    expect(refused.remedy).toContain(
      `Add-MailboxPermission -Identity '${emailAddress}' -User '${agent.address}' -AccessRights FullAccess`,
    );
    await stage.exchange(`mailboxes/${emailAddress}`, { fullAccess: [agent.address] }, 'PATCH');
    expect((await add(emailAddress)).mailbox).toMatchObject({ emailAddress });
  });

  test('an account that signed in without shared mailboxes: CONSENT_REQUIRED, before Microsoft is asked', async () => {
    const address = await stage.newMailbox();
    const { accountId, integrationId } = await stage.connect(address, 'MAIL');
    const emailAddress = await shared({ fullAccess: [address] });
    expect(await stage.run('addSharedMailbox', { accountId, emailAddress })).toMatchObject({
      code: 'CONSENT_REQUIRED',
      remedy: expect.stringContaining('SHARED_MAILBOXES'),
    });
    await stage.connect(address, 'SHARED_MAILBOXES', integrationId);
    expect((await stage.run('addSharedMailbox', { accountId, emailAddress })).mailbox).toMatchObject({
      kind: 'SHARED',
    });
  });

  test('what is no address is refused, and so is an account that does not exist', async () => {
    for (const emailAddress of ['', 'support', 'a b@contoso.example', '../me@contoso.example', "x'@y"]) {
      expect(await add(emailAddress)).toMatchObject({ __typename: 'InvalidInputError' });
    }
    expect(
      await stage.run('addSharedMailbox', { accountId: 'nothing', emailAddress: agent.address }),
    ).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('the same mailbox again is the same, by an alias as well, and in a race', async () => {
    const alias = `alias-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const emailAddress = await shared({ aliases: [alias] });
    const answers = await Promise.all([add(emailAddress), add(emailAddress), add(emailAddress)]);
    const ids = new Set([...answers, await add(alias)].map(({ mailbox }) => mailbox?.id));
    expect([...ids]).toEqual([expect.any(String)]);
    expect(
      (await stage.mailboxes()).filter((one) => [alias, emailAddress].includes(one.emailAddress)),
    ).toHaveLength(1);
  });

  test("the account's own mailbox is its PRIMARY one, by an alias as well", async () => {
    const alias = `own-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const address = await stage.newMailbox({ aliases: [alias] });
    const { accountId } = await stage.connect(address);
    const own = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address);
    for (const emailAddress of [address, alias]) {
      expect((await stage.run('addSharedMailbox', { accountId, emailAddress })).mailbox).toMatchObject({
        id: own?.id,
        kind: 'PRIMARY',
      });
    }
  });

  test('a mailbox that another account reads: ALREADY_CONNECTED names the account', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    const emailAddress = await shared({ fullAccess: [agent.address, address] });
    await add(emailAddress);
    expect(await stage.run('addSharedMailbox', { accountId, emailAddress })).toMatchObject({
      __typename: 'MailboxAlreadyConnectedError',
      code: 'ALREADY_CONNECTED',
      message: expect.stringContaining(agent.address),
      remedy: expect.stringContaining('removeMailbox'),
    });
  });

  test('another organization may connect the same mailbox, with an account of its own', async () => {
    const other = accessDesk(stage.app, await stage.app.newDesk('Others'));
    const emailAddress = await shared();
    await add(emailAddress);
    const { accountId } = await other.connect(agent.address);
    expect((await other.run('addSharedMailbox', { accountId, emailAddress })).mailbox).toMatchObject({
      emailAddress,
    });
  });

  test('an account whose sign-in was revoked answers TOKEN_REVOKED', async () => {
    const address = await stage.newMailbox();
    const { accountId } = await stage.connect(address);
    const emailAddress = await shared({ fullAccess: [address] });
    await stage.exchange('tokens/revoke', { address, accessTokensToo: true });
    const answer = await stage.run('addSharedMailbox', { accountId, emailAddress });
    expect(answer.mailbox ?? answer).toMatchObject({ code: 'TOKEN_REVOKED' });
  });

  test.each(['AGENT', 'VIEWER'] as const)('a %s may not', async (role) => {
    const { secret } = await signIn(stage.app.database, stage.desk.organizationId, role);
    for (const [name, input] of [
      ['addSharedMailbox', { accountId: agent.accountId, emailAddress: agent.address }],
      ['removeMailbox', { mailboxId: 'x' }],
      ['verifyMailboxAccess', { accountId: agent.accountId, emailAddress: agent.address }],
    ] as const) {
      await expect(stage.run(name, input, secret)).rejects.toThrow(/mailbox:manage/);
    }
  });

  test('another organization finds neither account nor mailbox', async () => {
    const other = accessDesk(stage.app, await stage.app.newDesk('Strangers'));
    const { mailbox } = await add(await shared());
    for (const [name, input] of [
      ['addSharedMailbox', { accountId: agent.accountId, emailAddress: agent.address }],
      ['removeMailbox', { mailboxId: mailbox?.id }],
      ['verifyMailboxAccess', { accountId: agent.accountId, emailAddress: agent.address }],
      ['verifyMailboxAccess', { mailboxId: mailbox?.id }],
    ] as const) {
      expect(await other.run(name, input)).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect((await stage.mailboxes()).find(({ id }) => id === mailbox?.id)).toBeDefined();
  });
});

describe('sending rights', () => {
  /** Microsoft lists every permission that the tenant has granted, ours or not: as it will when replies are in use. */
  async function withSending(): Promise<{ address: string; accountId: string }> {
    const address = await stage.newMailbox();
    const { accountId, clientId, integrationId } = await stage.connect(address);
    await stage.exchange('consents', {
      clientId,
      tenant: 'contoso.example',
      scopes: ['Mail.Send', 'Mail.Send.Shared'],
    });
    await stage.connect(address, 'SHARED_MAILBOXES', integrationId);
    return { address, accountId };
  }

  test('no Send As: the mailbox is added all the same, and the answer says SEND_AS_DENIED with the steps', async () => {
    const { address, accountId } = await withSending();
    const emailAddress = await shared({ fullAccess: [address], sendAs: [] });
    const answer = await stage.run('addSharedMailbox', { accountId, emailAddress, testMessageTo: address });
    expect(answer.mailbox).toMatchObject({ emailAddress });
    expect(answer.sending).toMatchObject({
      result: 'FAILED',
      code: 'SEND_AS_DENIED',
      microsoftCode: 'ErrorSendAsDenied',
      remedy: expect.stringContaining(
        `Add-RecipientPermission -Identity '${emailAddress}' -Trustee '${address}'`,
      ),
    });
    await stage.exchange(`mailboxes/${emailAddress}`, { sendAs: [address] }, 'PATCH');
    const again = await stage.run('addSharedMailbox', { accountId, emailAddress, testMessageTo: address });
    expect(again.sending).toMatchObject({ result: 'PASSED', code: null, cause: null });
    const { folders } = await control<{ folders: { messages: { subject: string }[] }[] }>(
      stage.app.emulator.url,
      `mailboxes/${address}`,
    );
    expect(folders.flatMap(({ messages }) => messages).map(({ subject }) => subject)).toEqual([
      `Deskgraph may send from ${emailAddress}`,
    ]);
  });

  test('without a test message nothing is sent, and it is UNKNOWN with the reason', async () => {
    const { accountId, address } = await withSending();
    const emailAddress = await shared({ fullAccess: [address] });
    const { sending } = await stage.run('addSharedMailbox', { accountId, emailAddress });
    expect(sending).toMatchObject({ result: 'UNKNOWN', remedy: expect.stringContaining('testMessageTo') });
  });
});
