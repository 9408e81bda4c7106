import { afterAll, beforeAll, expect, test } from 'vitest';
import { chooseIdentity } from '../../src/mailboxes/choose-identity.ts';
import { queueOutbound } from '../../src/outbound/queue-outbound.ts';
import { forkFor } from '../../src/platform/database.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { openOutbox } from './outbox-desk.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

test('what waits in the outbox is not sent from a mailbox that became one person’s own meanwhile', async () => {
  const outbox = await openOutbox(app);
  const { organizationId } = outbox.desk;
  const { mailboxId } = outbox;
  const now = new Date();
  const id = await forkFor(app.database, organizationId).transactional(async (em) => {
    const wish = { organizationId, mailboxId, addressedTo: [], wantedIdentityId: null, userId: null, now };
    const queued = await queueOutbound(em, {
      organizationId,
      kind: 'NOTIFICATION',
      chosen: await chooseIdentity(em, wish),
      ticketId: null,
      messageId: null,
      authorId: null,
      idempotencyKey: null,
      to: [{ name: null, emailAddress: 'carol@fabrikam.example' }],
      cc: [],
      bcc: [],
      subject: 'Not from there',
      bodyHtml: null,
      bodyText: 'x',
      inReplyTo: null,
      references: [],
      answersGraphMessageId: null,
      isAutomatic: true,
      filesBytes: 0,
      now,
    });
    await em.execute(
      `update mailbox set personal_user_id = (select id from app_user where organization_id = ? limit 1)
       where organization_id = ? and id = ?`,
      [organizationId, organizationId, mailboxId],
    );
    return queued.id;
  });
  const row = await outbox.reaches(id, 'FAILED', 'SENT');
  expect(row).toMatchObject({ state: 'FAILED', problem: { code: 'IDENTITY_NOT_AVAILABLE' } });
});
