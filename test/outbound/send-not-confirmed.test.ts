import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { destroyMessage } from '../../src/emulator/messages.ts';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { checkSentCopyJob } from '../../src/outbound/deliver.jobs.ts';
import type { FaultPoint } from '../../src/outbound/fault-points.ts';
import { forkFor } from '../../src/platform/database.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';
import { openTicket, reply } from './reply-desk.ts';

/* A mail of which nobody knows for certain whether it went out says so. */

let app: TestApp;
/** What a delivery does at a point, once. */
let at: { point: FaultPoint; act: () => void } | null = null;

beforeAll(async () => {
  app = await startTestApp(
    {},
    {
      overrides: {
        reached: (point) => {
          if (at?.point !== point) return;
          const { act } = at;
          at = null;
          act();
        },
        outbox: { times: { unclearSend: 500, lostDraft: 500 } },
      },
    },
  );
});
afterAll(() => app?.[Symbol.asyncDispose]());
beforeEach(async () => {
  at = null;
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});

/** As if somebody emptied the Drafts of the mailbox, for good. */
function destroyDrafts(address: string): void {
  const known = app.emulator.state.addresses.get(address);
  const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
  if (!mailbox) throw new Error(`The emulator has no ${address}.`);
  const drafts = mailbox.wellKnown.get('drafts');
  for (const mail of [...mailbox.messages.values()]) {
    if (mail.folderId === drafts) destroyMessage(mailbox, mail);
  }
}

/** The last look at the copy, which otherwise comes after minutes. */
async function lookForTheLastTime({ desk, mailboxId }: OutboxDesk, id: string): Promise<void> {
  const look = { organizationId: desk.organizationId, mailboxId, outboundMessageId: id, looked: 3 };
  await enqueue(forkFor(app.database, desk.organizationId), checkSentCopyJob, look);
}

interface Shown {
  state: string;
  sentCopy: string;
  problem: { code: string; message: string; remedy: string } | null;
}
const SHOWN = 'state sentCopy problem { code message remedy }';

test('a reply whose send was unclear and whose copy never appears says so, in the ticket and in the outbox, with what to do', async () => {
  const outbox = await openOutbox(app);
  const { desk, address } = outbox;
  const mailboxId = encodeGlobalId('Mailbox', outbox.mailboxId);
  await desk.enable(mailboxId);
  const ticket = await openTicket(app, desk, mailboxId, { to: address, subject: 'Where is my parcel?' });
  await control(app.emulator.url, 'faults', {
    status: 504,
    pathPattern: '/send$',
    mailbox: address,
    count: 1,
  });
  at = { point: 'send.intent-committed', act: () => destroyDrafts(address) };
  const { outboundMessage } = await reply(app.url, desk.apiKey, { ticketId: ticket.id, text: 'On its way.' });
  const id = decodeId('OutboundMessage', outboundMessage?.id ?? '');
  await outbox.reaches(id, 'SENT');
  await lookForTheLastTime(outbox, id);
  await eventually('it was looked for', async () => (await outbox.read(id)).sentCopy === 'MISSING', 30_000);
  expect(await timesArrived(app, id)).toBe(0);
  const { outbound, of, mailbox } = await desk.request<{
    outbound: Shown;
    of: { messages: { edges: { node: { delivery: Shown | null } }[] } };
    mailbox: { outgoing: { warnings: { code: string }[] } };
  }>(
    `query ($outbound: ID!, $ticket: ID!, $mailbox: ID!) {
       outbound: node(id: $outbound) { ... on OutboundMessage { ${SHOWN} } }
       of: node(id: $ticket) { ... on Ticket { messages { edges { node { delivery { ${SHOWN} } } } } } }
       mailbox: node(id: $mailbox) { ... on Mailbox { outgoing { warnings { code } } } } }`,
    { outbound: outboundMessage?.id, ticket: ticket.id, mailbox: mailboxId },
  );
  expect(outbound).toMatchObject({
    state: 'SENT',
    sentCopy: 'MISSING',
    problem: { code: 'SEND_NOT_CONFIRMED' },
  });
  expect(outbound.problem?.message).toMatch(/not certain/);
  expect(outbound.problem?.remedy).toMatch(/message trace.*write it again/);
  const deliveries = of.messages.edges.flatMap(({ node }) => node.delivery ?? []);
  expect(deliveries).toEqual([outbound]);
  // No setting of Exchange is to blame for a mail that perhaps never went out.
  expect(mailbox.outgoing.warnings).toEqual([]);
});

test('SEND_NOT_CONFIRMED goes away when the copy appears', async () => {
  const outbox = await openOutbox(app);
  const { address } = outbox;
  // By the emulator's clock: however long it takes here to look for it, the copy is not there yet.
  const rules = { sentCopyDelayMs: 600_000, whileSending: 'NOWHERE' };
  await control(app.emulator.url, `mailboxes/${address}/sending`, rules, 'PUT');
  const lost = { status: 504, afterwards: true, pathPattern: '/send$', mailbox: address, count: 1 };
  await control(app.emulator.url, 'faults', lost);
  const id = await outbox.queue();
  expect((await outbox.reaches(id, 'SENT')).problem?.code).toBe('SEND_NOT_CONFIRMED');
  await control(app.emulator.url, 'clock', { advanceSeconds: 600 });
  const found = await eventually(
    'the copy is found',
    async () => {
      const row = await outbox.read(id);
      return row.sentCopy === 'FOUND' && row;
    },
    40_000,
  );
  expect(found).toMatchObject({ state: 'SENT', problem: null });
  expect(await timesArrived(app, id)).toBe(1);
});

test('a mail that Microsoft said it has taken is confirmed without its copy', async () => {
  const outbox = await openOutbox(app);
  const id = await outbox.queue();
  expect((await outbox.reaches(id, 'SENT')).problem ?? null).toBeNull();
});
