import { afterAll, beforeAll, expect, test } from 'vitest';
import { subscribeOverSocket } from '../server/harness.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Status {
  state: string;
  filingFailures: number;
  filingProblem: { code: string; remedy: string } | null;
  explanation: string;
}

const statusOf = async (desk: Desk, mailboxId: string) =>
  (
    await desk.request<{ node: { syncStatus: Status } }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus {
         state filingFailures filingProblem { code remedy } explanation } } } }`,
      { id: mailboxId },
    )
  ).node.syncStatus;

async function createFolder(desk: Desk, mailboxId: string, displayName: string): Promise<string> {
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($input: CreateMailFolderInput!) { createMailFolder(input: $input) {
       ... on CreateMailFolderPayload { folder { id } } } }`,
    { input: { mailboxId, displayName } },
  );
  return createMailFolder.folder.id;
}

/** As a person does it in Outlook. */
async function deleteFolder(address: string, folderId: string): Promise<void> {
  const { graphUrl, loginUrl } = app.emulator;
  const token = await fetch(`${loginUrl}/contoso.example/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'outlook',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: value } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${graphUrl}/v1.0/users/${address}/mailFolders/${folderId}/permanentDelete`, {
    method: 'POST',
    headers: { authorization: `Bearer ${value}` },
  });
  expect(answer.ok).toBe(true);
}

async function figure(step: 'archive' | 'copy'): Promise<number> {
  const page = await (await fetch(`${app.url}/metrics`)).text();
  const found = new RegExp(`^deskgraph_filing_failed_messages\\{step="${step}"\\} (\\d+)$`, 'm').exec(page);
  return Number(found?.[1]);
}

const settings = (desk: Desk, input: Record<string, unknown>) =>
  desk.request(
    'mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }',
    { input },
  );

test.each([
  ['archive', 'archiveFolderId', { afterProcessing: 'ARCHIVE' }],
  ['copy', 'copyFolderId', {}],
] as const)(
  'a deleted %s folder shows in the status of its mailbox, with how many, why and what to do, and as a figure; another folder ends it',
  async (step, field, more) => {
    const desk = await app.newDesk();
    const { mailboxId, address } = await desk.connectMailbox();
    const other = await desk.connectMailbox();
    const folderId = await createFolder(desk, mailboxId, 'Doomed');
    await desk.enable(mailboxId, { ...more, [field]: folderId });
    expect(await statusOf(desk, mailboxId)).toMatchObject({ filingFailures: 0, filingProblem: null });
    await deleteFolder(address, folderId);
    await deliverMany(
      app.emulator.url,
      ['One', 'Two', 'Three'].map((subject) => ({ to: address, subject })),
    );
    await desk.sync(mailboxId);
    const status = await eventually('the status tells of all three', async () => {
      const current = await statusOf(desk, mailboxId);
      return current.filingFailures === 3 && current;
    });
    expect(status.filingProblem?.code).toBe('FOLDER_NOT_FOUND');
    expect(status.filingProblem?.remedy).toContain('Choose another folder');
    expect(status.explanation).toMatch(
      /last read to its end at .* 3 messages could not be archived, deleted or copied: /,
    );
    expect(await figure(step)).toBe(3);
    expect(await statusOf(desk, other.mailboxId)).toMatchObject({ filingFailures: 0, filingProblem: null });

    await settings(desk, { mailboxId, [field]: await createFolder(desk, mailboxId, 'Second') });
    await eventually(
      'they lie in the new folder',
      async () => (await foldersOf(app.emulator.url, address)).get('Second')?.length === 3,
    );
    await eventually(
      'nothing is wrong any more',
      async () => (await statusOf(desk, mailboxId)).filingFailures === 0,
    );
    expect(await statusOf(desk, mailboxId)).toMatchObject({ filingProblem: null });
    expect(await figure(step)).toBe(0);
  },
);

test('who watches the mailbox is told when mail could not be filed, and when somebody tries it again', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const folderId = await createFolder(desk, mailboxId, 'Doomed');
  await desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: folderId });
  const events = subscribeOverSocket(
    app.url,
    desk.apiKey,
    `subscription { syncStatusChanged(mailboxId: "${mailboxId}") { syncStatus { filingFailures } } }`,
  );
  const told: number[] = [];
  void (async () => {
    for (let event = await events.next(); event; event = await events.next()) {
      const { syncStatusChanged } = event.data as { syncStatusChanged: { syncStatus: Status } };
      told.push(syncStatusChanged.syncStatus.filingFailures);
    }
  })();
  await eventually('the stream stands', async () => {
    if (told.length === 0) await desk.sync(mailboxId);
    return told.length > 0;
  });
  await deleteFolder(address, folderId);
  // Nothing is moved until the test has been told of what comes before: events may take longer than any latency.
  const putOff = () =>
    control(app.emulator.url, 'faults', {
      mailbox: address,
      status: 429,
      retryAfterSeconds: 1,
      pathPattern: '/move',
    });
  const goOn = () => control(app.emulator.url, 'faults', undefined, 'DELETE');
  await putOff();
  await deliverMany(app.emulator.url, [{ to: address, subject: 'One' }]);
  await desk.sync(mailboxId);
  await goOn();
  await eventually('the failure is told', async () => told.at(-1) === 1);
  const count = told.length;
  await putOff();
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: { id: string } }[] } }>(
    '{ inboundMessages { edges { node { id } } } }',
  );
  await desk.request(
    `mutation { retryInboundMessage(input: { inboundMessageId: "${inboundMessages.edges[0]?.node.id}" }) { __typename } }`,
  );
  await eventually('the try is told', async () => told.slice(count).includes(0));
  await goOn();
  await eventually('and its failure', async () => told.at(-1) === 1);
});
