import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { identitiesOf, runSending, type SendingMutation } from './sending-harness.ts';

let app: TestApp;
let desk: Desk;
let mailboxId: string;
let identityId: string;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
  mailboxId = (await desk.connectMailbox(undefined, { sends: true })).mailboxId;
  identityId = (await identitiesOf(desk, mailboxId)).identities[0]?.id ?? '';
});
afterAll(() => app?.[Symbol.asyncDispose]());

const unique = () => crypto.randomUUID().slice(0, 8);
const run = (name: SendingMutation, input: Record<string, unknown>, apiKey?: string) =>
  runSending(app, desk, name, input, apiKey);
const create = (input: Record<string, unknown> = {}) =>
  run('createSenderProfile', { name: `Profile ${unique()}`, ...input });
const newProfile = async () => (await create()).senderProfile.id;

describe('createSenderProfile and updateSenderProfile', () => {
  test('keep name, from name, reply address and both signatures; what is left out stays, null takes it away', async () => {
    const { senderProfile } = await create({
      fromName: ' Contoso Support ',
      replyTo: 'Answers@Contoso.example',
      signatureText: 'Kind regards\r\nContoso',
      signatureHtml: '<p style="color:#333333">Kind <b>regards</b></p>',
    });
    expect(senderProfile).toMatchObject({
      fromName: 'Contoso Support',
      replyTo: 'answers@contoso.example',
      signatureText: 'Kind regards\nContoso',
      signatureHtml: '<p style="color:#333333">Kind <b>regards</b></p>',
    });
    const changed = await run('updateSenderProfile', {
      senderProfileId: senderProfile.id,
      fromName: 'Support',
      replyTo: null,
    });
    expect(changed.senderProfile).toEqual({ ...senderProfile, fromName: 'Support', replyTo: null });
    const again = await run('updateSenderProfile', {
      senderProfileId: senderProfile.id,
      fromName: 'Support',
    });
    expect(again.senderProfile).toEqual(changed.senderProfile);
  });

  test.each([
    ['fromName', 'Support\r\nBcc: everybody@contoso.example'],
    ['fromName', 'Support\u2028Bcc: everybody@contoso.example'],
    ['fromName', 'troppuS\u202e'],
    ['fromName', 'x'.repeat(101)],
    ['name', ''],
    ['name', 'a\u0000b'],
    ['replyTo', 'a@contoso.example\nBcc: b@contoso.example'],
    ['replyTo', 'not an address'],
    ['signatureText', 'a\u0000b'],
    ['signatureText', 'x'.repeat(5_001)],
    ['signatureHtml', 'x'.repeat(20_001)],
  ])('refuse what could end a header, or is too long: %s %j', async (field, value) => {
    expect(await create({ [field]: value })).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(field),
    });
    const senderProfileId = await newProfile();
    expect(await run('updateSenderProfile', { senderProfileId, [field]: value })).toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  test('a name that another one has, in whatever case: SENDER_PROFILE_NAME_TAKEN', async () => {
    const name = `Profile ${unique()}`;
    await create({ name });
    expect(await create({ name: name.toUpperCase() })).toMatchObject({ code: 'SENDER_PROFILE_NAME_TAKEN' });
    const senderProfileId = await newProfile();
    expect(await run('updateSenderProfile', { senderProfileId, name })).toMatchObject({
      code: 'SENDER_PROFILE_NAME_TAKEN',
    });
  });

  test('of another organization, and of none: NOT_FOUND', async () => {
    const other = await app.newDesk();
    const senderProfileId = await newProfile();
    for (const id of [senderProfileId, 'nothing']) {
      const input = { senderProfileId: id, fromName: 'Ours now' };
      expect(await runSending(app, other, 'updateSenderProfile', input)).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('who does not manage mailboxes may not', async () => {
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    const senderProfileId = await newProfile();
    const each: [SendingMutation, Record<string, unknown>][] = [
      ['createSenderProfile', { name: 'Mine' }],
      ['updateSenderProfile', { senderProfileId, name: 'Mine' }],
      ['deleteSenderProfile', { senderProfileId }],
      ['assignSenderProfile', { identityId, senderProfileId }],
    ];
    for (const [name, input] of each)
      await expect(run(name, input, secret)).rejects.toThrow('mailbox:manage');
  });
});

describe('assignSenderProfile and deleteSenderProfile', () => {
  test('an identity is sent with the profile it is given; without one it does not send, and says so', async () => {
    const before = (await identitiesOf(desk, mailboxId)).identities[0];
    const senderProfileId = await newProfile();
    expect(await run('assignSenderProfile', { identityId, senderProfileId })).toMatchObject({
      identity: { canSend: true, senderProfile: { id: senderProfileId } },
    });
    expect(await run('assignSenderProfile', { identityId, senderProfileId })).toMatchObject({
      identity: { senderProfile: { id: senderProfileId } },
    });
    expect(await run('assignSenderProfile', { identityId, senderProfileId: null })).toMatchObject({
      identity: {
        canSend: false,
        senderProfile: null,
        problem: { code: 'IDENTITY_WITHOUT_PROFILE', remedy: expect.stringContaining('assignSenderProfile') },
      },
    });
    await run('assignSenderProfile', { identityId, senderProfileId: before?.senderProfile?.id });
    expect((await identitiesOf(desk, mailboxId)).identities[0]).toEqual(before);
  });

  test('one that identities use is not deleted: SENDER_PROFILE_IN_USE with how many; then it is, once', async () => {
    const before = (await identitiesOf(desk, mailboxId)).identities[0];
    const senderProfileId = await newProfile();
    await run('assignSenderProfile', { identityId, senderProfileId });
    expect(await run('deleteSenderProfile', { senderProfileId })).toMatchObject({
      code: 'SENDER_PROFILE_IN_USE',
      message: expect.stringContaining('one identity'),
    });
    await run('assignSenderProfile', { identityId, senderProfileId: before?.senderProfile?.id });
    expect(await run('deleteSenderProfile', { senderProfileId })).toMatchObject({
      deletedSenderProfileId: senderProfileId,
    });
    expect(await run('deleteSenderProfile', { senderProfileId })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('profiles and identities of another organization: NOT_FOUND', async () => {
    const other = await app.newDesk();
    const foreign = (await runSending(app, other, 'createSenderProfile', { name: 'Theirs' })).senderProfile
      .id;
    expect(await run('assignSenderProfile', { identityId, senderProfileId: foreign })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(
      await runSending(app, other, 'assignSenderProfile', { identityId, senderProfileId: foreign }),
    ).toMatchObject({ code: 'NOT_FOUND' });
    expect(await run('deleteSenderProfile', { senderProfileId: foreign })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('mailboxes of the same name get profiles of their own', async () => {
    const each = await app.newDesk();
    const names: (string | undefined)[] = [];
    for (const at of ['contoso.example', 'contoso.example']) {
      const address = `desk-${unique()}@${at}`;
      const { mailboxId: id } = await each.connectMailbox(address, { sends: true });
      names.push((await identitiesOf(each, id)).identities[0]?.senderProfile?.name);
    }
    expect(new Set(names).size).toBe(2);
  });
});
