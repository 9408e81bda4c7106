import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { moveByHand } from '../support/outlook.ts';
import { eventually } from '../support/wait.ts';
import { query } from './push-harness.ts';
import {
  askToReconcile,
  behindOurBack,
  type ReconciledMailbox,
  receive,
  reconcile,
  reconciledMailbox,
  reconciliationEnds,
} from './reconcile-harness.ts';

let graph: GraphWay;
let app: TestApp;
beforeAll(async () => {
  graph = await startGraphWay();
  app = await startTestApp({}, { env: { MICROSOFT_GRAPH_URL: graph.url } });
  graph.target = app.emulator.graphUrl;
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

/** As if the mail had never come. */
async function forget({ uuid }: ReconciledMailbox): Promise<void> {
  await query(app, 'delete from inbound_message where mailbox_id = ?', [uuid]);
  await query(app, 'delete from ticket where mailbox_id = ?', [uuid]);
}

const refuse = (mailbox: ReconciledMailbox, id: string | undefined, status: number) =>
  control(app.emulator.url, 'faults', {
    status,
    errorCode: status === 403 ? 'ErrorAccessDenied' : 'ErrorTimeoutExpired',
    mailbox: mailbox.address,
    pathPattern: `/messages/${(id ?? 'none').replace(/[^\w-]/g, '.')}\\?`,
  });

interface Row {
  id: string;
  subject: string;
  outcome: string;
  problem: { code: string } | null;
}

async function rowsOf({ desk }: ReconciledMailbox): Promise<Row[]> {
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: Row }[] } }>(
    `{ inboundMessages(first: 50) { edges { node { id subject outcome problem { code } } } } }`,
  );
  return inboundMessages.edges.map(({ node }) => node);
}

test.each([403, 504])(
  'one mail that Microsoft refuses with %i does not keep the others from being repaired; it is seen, and repaired later',
  async (status) => {
    const mailbox = await reconciledMailbox(app);
    const [, refused] = await receive(app, mailbox, [
      { subject: 'One' },
      { subject: 'Refused' },
      { subject: 'Three' },
    ]);
    await forget(mailbox);
    await refuse(mailbox, refused?.immutableId, status);
    expect(await reconcile(mailbox)).toMatchObject({
      state: 'SUCCEEDED',
      problem: null,
      missing: 3,
      stored: 2,
      failed: 1,
    });
    const rows = await rowsOf(mailbox);
    expect(
      rows
        .filter(({ outcome }) => outcome === 'TICKET_CREATED')
        .map(({ subject }) => subject)
        .toSorted(),
    ).toEqual(['One', 'Three']);
    const failed = rows.find(({ outcome }) => outcome === 'FAILED');
    expect(failed?.problem?.code).toEqual(expect.any(String));
    // It is tried again by itself; a person need not wait.
    const waiting = await query(
      app,
      `select 1 from graphile_worker._private_jobs where key like 'sync.retry-inbound-message:%' and payload ->> 'mailboxId' = ?`,
      [mailbox.uuid],
    );
    expect(waiting).toHaveLength(1);
    await control(app.emulator.url, 'faults', undefined, 'DELETE');
    await mailbox.desk.request(
      `mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }`,
      { id: failed?.id },
    );
    await eventually('it is repaired', async () =>
      (await rowsOf(mailbox)).every(({ outcome }) => outcome === 'TICKET_CREATED'),
    );
  },
  120_000,
);

test('a message that went missing and whose mail Microsoft refuses, alone, says so in the ledger', async () => {
  const mailbox = await reconciledMailbox(app);
  const [refused] = await receive(app, mailbox, [{ subject: 'Refused' }]);
  await behindOurBack(app, 'delete from message where mailbox_id = ?', [mailbox.uuid]);
  await refuse(mailbox, refused?.immutableId, 403);
  expect(await reconcile(mailbox)).toMatchObject({
    state: 'SUCCEEDED',
    problem: null,
    missing: 1,
    repaired: 0,
  });
  expect(await rowsOf(mailbox)).toMatchObject([
    { outcome: 'FAILED', problem: { code: 'MAILBOX_ACCESS_DENIED' } },
  ]);
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});

test('mail that a person put into the bin after it was listed becomes no ticket', async () => {
  const mailbox = await reconciledMailbox(app);
  const [binned] = await receive(app, mailbox, [{ subject: 'Binned' }, { subject: 'Kept' }]);
  await forget(mailbox);
  const held = graph.hold(/batch$/);
  const id = await askToReconcile(mailbox);
  await eventually('it asks for the mails that it repairs', () => held.count > 0);
  await moveByHand(app.emulator, mailbox.address, binned?.id ?? '', 'Deleted Items');
  held.release();
  expect(await reconciliationEnds(mailbox.desk, id)).toMatchObject({
    state: 'SUCCEEDED',
    listed: 1,
    missing: 1,
    stored: 1,
  });
  expect(await rowsOf(mailbox)).toMatchObject([{ subject: 'Kept', outcome: 'TICKET_CREATED' }]);
});
