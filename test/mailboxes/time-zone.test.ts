import { afterAll, beforeAll, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const UPDATE = `mutation ($input: UpdateIncomingSettingsInput!) { it: updateIncomingSettings(input: $input) {
  ... on UpdateIncomingSettingsPayload { mailbox { incoming { timeZone } } } ... on Error { code } } }`;

async function set(desk: Desk, mailboxId: string, timeZone: string | null) {
  const { it } = await desk.request<{
    it: { mailbox?: { incoming: { timeZone: string } }; code?: string };
  }>(UPDATE, { input: { mailboxId, timeZone } });
  return it.mailbox?.incoming.timeZone ?? it.code;
}

test('the zone of a mailbox is UTC until it is set, by a name of IANA or of Windows; others are refused', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  expect(await set(desk, mailboxId, null)).toBe('UTC');
  expect(await set(desk, mailboxId, 'Europe/Berlin')).toBe('Europe/Berlin');
  expect(await set(desk, mailboxId, 'Europe/Berlin')).toBe('Europe/Berlin');
  expect(await set(desk, mailboxId, 'Tokyo Standard Time')).toBe('Asia/Tokyo');
  for (const wrong of ['', 'Mars/Olympus', '+01:00']) {
    expect(await set(desk, mailboxId, wrong)).toBe('UNKNOWN_TIME_ZONE');
  }
  expect(await set(desk, mailboxId, null)).toBe('Asia/Tokyo');
  const other = await app.newDesk();
  expect(await set(other, mailboxId, 'UTC')).toBe('NOT_FOUND');
  const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
  const input = { mailboxId, timeZone: 'UTC' };
  await expect(graphqlRequest(app.url, secret, UPDATE, { input })).rejects.toThrow();
});

test('what people read of a mailbox names times by its clock', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await set(desk, mailboxId, 'Asia/Tokyo');
  await desk.enable(mailboxId);
  const calendar = [
    'BEGIN:VCALENDAR',
    'METHOD:REQUEST',
    'BEGIN:VEVENT',
    'DTSTART:20261121T230000Z',
    'DTEND:20261122T000000Z',
    'SUMMARY:Printer',
    'END:VEVENT',
    'END:VCALENDAR',
  ].join('\r\n');
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Printer',
    attachments: [
      {
        name: 'invite.ics',
        contentType: 'text/calendar',
        contentBytes: Buffer.from(calendar).toString('base64'),
      },
    ],
  });
  await desk.sync(mailboxId);
  const when = await eventually('the invitation is stored', async () => {
    const { ticket } = await desk.request<{
      ticket: { messages: { edges: { node: { invitation: { when: string } | null } }[] } };
    }>('{ ticket(number: 1) { messages { edges { node { invitation { when } } } } } }');
    return ticket.messages.edges[0]?.node.invitation?.when ?? false;
  });
  expect(when).toBe('2026-11-22 08:00 to 09:00 (Asia/Tokyo)');
  const { node } = await desk.request<{ node: { syncStatus: { explanation: string } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { explanation } } } }',
    { id: mailboxId },
  );
  expect(node.syncStatus.explanation).toMatch(
    /last read to its end at \d{4}-\d\d-\d\d \d\d:\d\d \(Asia\/Tokyo\)/,
  );
});
