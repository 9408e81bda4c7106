import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

test('a forwarded mail offers who wrote the original, and other mail offers nobody', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const text =
    'Please help.\n\nFrom: Dan <dan@d.example>\nSent: today\nTo: Bob <bob@b.example>\nSubject: Printer\n\nIt burns.';
  await deliver(app.emulator.url, { to: address, subject: 'WG: Printer', text });
  await deliver(app.emulator.url, { to: address, subject: 'About: Scanner', text });
  await desk.sync(mailboxId);
  const { tickets } = await desk.request<{ tickets: { edges: object[] } }>(
    `{ tickets(orderBy: { field: NUMBER, direction: ASC }) { edges { node { requester { emailAddress }
       messages { edges { node { forwardedFrom { name emailAddress } } } } } } } }`,
  );
  const shown = (forwardedFrom: object | null) => ({
    node: {
      requester: { emailAddress: 'carol@fabrikam.example' },
      messages: { edges: [{ node: { forwardedFrom } }] },
    },
  });
  expect(tickets.edges).toEqual([shown({ name: 'Dan', emailAddress: 'dan@d.example' }), shown(null)]);
});
