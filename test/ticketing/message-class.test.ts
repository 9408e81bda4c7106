import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliverMany, type TestMail } from '../support/mail.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** What Exchange writes of its own accord, in Greek: neither headers nor subject tell what it is. */
const GENERATED = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' };

test.each([
  ['IPM.Note.Rules.OofTemplate.Microsoft', 'IGNORED', 'OUT_OF_OFFICE'],
  ['IPM.Note.Rules.ExternalOofTemplate.Microsoft', 'IGNORED', 'OUT_OF_OFFICE'],
  ['IPM.Note.Rules.ReplyTemplate.Microsoft', 'IGNORED', 'AUTO_REPLY'],
  ['REPORT.IPM.Note.NDR', 'IGNORED', 'BOUNCE'],
  ['REPORT.IPM.Note.DR', 'IGNORED', 'READ_RECEIPT'],
  ['REPORT.IPM.Note.IPNRN', 'IGNORED', 'READ_RECEIPT'],
  ['IPM.Note', 'TICKET_CREATED', 'NEW_CONVERSATION'],
])('mail of the class %s is %s, whatever its language', async (messageClass, outcome, reason) => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const mail = { to: address, subject: 'Αυτόματη απάντηση', headers: GENERATED, messageClass };
  await deliverMany(app.emulator.url, [mail as TestMail]);
  await desk.sync(mailboxId);
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { outcome: string; reason: string; explanation: string } }[] };
  }>('{ inboundMessages { edges { node { outcome reason explanation } } } }');
  const row = inboundMessages.edges[0]?.node;
  expect(row).toMatchObject({ outcome, reason });
  if (outcome === 'IGNORED') expect(row?.explanation).toContain(`Exchange's message class ${messageClass}`);
});
