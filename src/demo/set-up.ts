import { delay } from '../platform/clock.ts';
import type { DemoClient } from './client.ts';

/** Any client id and secret will do: the emulator accepts every app registration. */
const CLIENT_ID = '5a1f0c3e-0000-4000-8000-00000000d350';
const SET_UP_TIMEOUT_MILLISECONDS = 20_000;

/** Connects the mailbox of `address` as an administrator would, through the public API and the sign-in pages. */
export async function connectMailbox(client: DemoClient, address: string): Promise<void> {
  const { createIntegration } = await client.request<{ createIntegration: { integration: { id: string } } }>(
    `mutation ($input: CreateIntegrationInput!) {
      createIntegration(input: $input) { ... on CreateIntegrationPayload { integration { id } } ... on Error { message } }
    }`,
    { input: { tenantId: 'organizations', clientId: CLIENT_ID, clientSecret: 'a secret of the demo' } },
  );
  const { startSignIn } = await client.request<{ startSignIn: { authorizationUrl: string } }>(
    `mutation ($input: StartSignInInput!) {
      startSignIn(input: $input) { ... on StartSignInPayload { authorizationUrl } ... on Error { message } }
    }`,
    { input: { integrationId: createIntegration.integration.id } },
  );
  await signIn(startSignIn.authorizationUrl, address);
  const { mailboxes } = await client.request<{
    mailboxes: { edges: { node: { id: string; emailAddress: string } }[] };
  }>('{ mailboxes { edges { node { id emailAddress } } } }');
  const mailbox = mailboxes.edges.find(({ node }) => node.emailAddress === address)?.node;
  if (!mailbox) throw new Error(`The mailbox ${address} was not connected.`);
  const { createMailFolder } = await client.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($input: CreateMailFolderInput!) {
      createMailFolder(input: $input) { ... on CreateMailFolderPayload { folder { id } } ... on Error { message } }
    }`,
    { input: { mailboxId: mailbox.id } },
  );
  await client.request(
    `mutation ($input: UpdateIncomingSettingsInput!) {
      updateIncomingSettings(input: $input) { __typename ... on Error { message } }
    }`,
    {
      input: {
        mailboxId: mailbox.id,
        enabled: true,
        intervalMinutes: 'MINUTES_1',
        afterProcessing: 'ARCHIVE',
        archiveFolderId: createMailFolder.folder.id,
      },
    },
  );
  await waitForPush(client, mailbox.id);
}

/** Until Microsoft (here: the emulator) announces new mail, tickets would wait for the next poll. */
async function waitForPush(client: DemoClient, mailboxId: string): Promise<void> {
  const signal = AbortSignal.timeout(SET_UP_TIMEOUT_MILLISECONDS);
  for (;;) {
    const { node } = await client.request<{ node: { syncStatus: { delivery: string; state: string } } }>(
      'query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { delivery state } } } }',
      { id: mailboxId },
    );
    if (node.syncStatus.delivery === 'PUSH' && node.syncStatus.state === 'IDLE') return;
    await delay(100, signal);
  }
}

/**
 * What a browser does with the link and on the sign-in pages, with the emulator's short cut for the account picker and the
 * consent: `fetch` keeps no cookies, and the sign-in is bound to one.
 */
async function signIn(authorizationUrl: string, address: string): Promise<void> {
  const signal = AbortSignal.timeout(SET_UP_TIMEOUT_MILLISECONDS);
  const link = await fetch(authorizationUrl, { redirect: 'manual', signal });
  const cookie = link.headers.getSetCookie().map((line) => line.split(';')[0]);
  const page = new URL(link.headers.get('location') ?? authorizationUrl);
  page.searchParams.set('_account', address);
  page.searchParams.set('_decision', 'accept');
  const back = await fetch(page, { redirect: 'manual', signal });
  const callback = back.headers.get('location') ?? authorizationUrl;
  const answer = await fetch(callback, { headers: { cookie: cookie.join('; ') }, signal });
  if (!answer.ok) throw new Error(`Signing in failed: HTTP ${answer.status}`);
}
