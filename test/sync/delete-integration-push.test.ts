import { afterAll, beforeAll, expect, test } from 'vitest';
import { enqueue } from '../../src/jobs/define-job.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { storeAttachmentsJob } from '../../src/ticketing/attachments.jobs.ts';
import { type AccessDesk, startAccessDesk } from '../mailboxes/access-harness.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { startPushApp, statusBecomes, subscriptionsAtMicrosoft } from './push-harness.ts';

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk(startPushApp);
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

const sql = <Row>(text: string) => forkAcrossOrganizations(stage.app.database).execute<Row[]>(text);

const deleteIntegration = (id: string) =>
  stage.desk.request(
    'mutation ($id: ID!) { deleteIntegration(input: { integrationId: $id }) { __typename } }',
    { id },
  );

async function connected() {
  const address = await stage.newMailbox();
  const { integrationId } = await stage.connect(address);
  const mailboxId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.id ?? '';
  await stage.desk.enable(mailboxId);
  return { address, integrationId, mailboxId };
}

test('deleting an integration ends its subscriptions at Microsoft and here', async () => {
  const { mailboxId, integrationId } = await connected();
  await statusBecomes(stage.desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  await deleteIntegration(integrationId);
  expect(await subscriptionsAtMicrosoft(stage.app)).toEqual([]);
  await eventually('no subscription is current here', async () => {
    return (await sql('select from push_subscription where replaced_at is null')).length === 0;
  });
});

test('disconnecting an account ends its subscriptions at Microsoft, while there are tokens to do it with, and here', async () => {
  const { address, mailboxId } = await connected();
  await statusBecomes(stage.desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  const [before] = await sql<{ id: string }>(
    'select graph_subscription_id as id from push_subscription where replaced_at is null',
  );
  expect(await subscriptionsAtMicrosoft(stage.app)).toEqual([before?.id]);
  const accountId = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address)?.account
    .id;
  await stage.desk.request(
    'mutation ($id: ID!) { disconnectAccount(input: { accountId: $id }) { __typename } }',
    { id: accountId },
  );
  expect(await subscriptionsAtMicrosoft(stage.app)).toEqual([]);
  await eventually('no subscription is current here', async () => {
    return (await sql('select from push_subscription where replaced_at is null')).length === 0;
  });
});

test('a file that was not fetched before the integration was deleted says so', async () => {
  const { address, mailboxId, integrationId } = await connected();
  await deliver(stage.app.emulator.url, {
    to: address,
    subject: 'With a file',
    attachments: [{ name: 'a.txt', contentBytes: Buffer.from('file').toString('base64') }],
  });
  await stage.desk.sync(mailboxId);
  const rows = () =>
    sql<{ state: string; problem: { code: string } | null }>('select state, problem from attachment');
  await eventually('the file is stored', async () => (await rows())[0]?.state === 'STORED');
  await deleteIntegration(integrationId);
  // As if the job had come too late.
  await sql('delete from attachment');
  const [ledger] = await sql<{ id: string; organization_id: string; mailbox_id: string }>(
    'select id, organization_id, mailbox_id from inbound_message',
  );
  await enqueue(forkAcrossOrganizations(stage.app.database), storeAttachmentsJob, {
    organizationId: ledger?.organization_id ?? '',
    mailboxId: ledger?.mailbox_id ?? '',
    inboundMessageIds: [ledger?.id ?? ''],
  });
  await eventually('the file is given up', async () => (await rows()).length > 0);
  expect(await rows()).toMatchObject([{ state: 'FAILED', problem: { code: 'MAILBOX_NOT_FOUND' } }]);
});
