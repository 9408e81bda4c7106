import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { longestStretch } from '../support/computing.ts';
import { deliver } from '../support/mail.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

test('while a rule is tried with a mail that takes seconds to read, everybody else is answered', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const html = `${'<div>'.repeat(150_000)}Deep`;
  await deliver(app.emulator.url, { to: address, subject: 'Deep', html });
  expect(await desk.sync(mailboxId)).toMatchObject({ created: 1 });
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: { id: string } }[] } }>(
    '{ inboundMessages(first: 1) { edges { node { id } } } }',
  );
  const stretch = await longestStretch(async () => {
    const { testMailRule } = await desk.request<{ testMailRule: { wasReply: boolean } }>(
      'query ($id: ID!) { testMailRule(input: { inboundMessageId: $id }) { wasReply } }',
      { id: inboundMessages.edges[0]?.node.id },
    );
    expect(testMailRule).toEqual({ wasReply: false });
  });
  expect(stretch, 'the most computing without an answer, in milliseconds').toBeLessThan(1_000);
});
