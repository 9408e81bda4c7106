import { reply } from '../outbound/reply-desk.ts';
import { control, type Desk, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import type { Customer } from './customer.ts';

/** A mail of the outbox as clients see it. */
export interface OutboundView {
  id: string;
  state: string;
  problem: { code: string } | null;
  from: { name: string | null; emailAddress: string };
  shownFrom: { name: string | null; emailAddress: string } | null;
  sentCopy: string;
  internetMessageId: string | null;
}

/** Waits until a mail of the outbox is as wanted, polling its node. */
export function waitForOutbound(
  desk: Desk,
  id: string | undefined,
  isIt: (mail: OutboundView) => boolean,
): Promise<OutboundView> {
  return eventually(
    'the mail of the outbox is as wanted',
    async () => {
      const { node } = await desk.request<{ node: OutboundView }>(
        `query ($id: ID!) { node(id: $id) { ... on OutboundMessage {
           id state problem { code } from { name emailAddress } shownFrom { name emailAddress } sentCopy internetMessageId } } }`,
        { id },
      );
      return isIt(node) && node;
    },
    60_000,
  );
}

/** A customer writes to an address; gives the ticket. */
export async function askAt(
  desk: Desk,
  mailboxId: string,
  customer: Customer,
  to: string,
  subject = `Question ${crypto.randomUUID().slice(0, 8)}`,
): Promise<{ ticketId: string; subject: string }> {
  await customer.writes(to, subject, 'Can you help me?');
  const ticketId = await eventually('the ticket is there', async () => {
    await desk.sync(mailboxId);
    const { tickets } = await desk.request<{ tickets: { edges: { node: { id: string } }[] } }>(
      'query ($text: String!) { tickets(first: 5, filter: { text: $text }) { edges { node { id } } } }',
      { text: subject },
    );
    return tickets.edges[0]?.node.id ?? false;
  });
  return { ticketId, subject };
}

/** Replies, and gives the mail as the customer got it. */
export async function replyAndReceive(
  app: TestApp,
  desk: Desk,
  customer: Customer,
  input: Record<string, unknown> & { text: string },
) {
  const { outboundMessage, code } = await reply(app.url, desk.apiKey, input);
  if (code) throw new Error(`The reply was refused: ${code}`);
  const received = await customer.gets('the reply arrives', ({ body }) =>
    (body?.content ?? '').includes(input.text),
  );
  return { received, outboundId: outboundMessage?.id ?? '' };
}

/** Subjects in a folder of an emulator's mailbox. */
export async function subjectsIn(app: TestApp, address: string, folder: string): Promise<string[]> {
  const { folders } = await control<{ folders: { displayName: string; messages: { subject: string }[] }[] }>(
    app.emulator.url,
    `mailboxes/${address}`,
  );
  const found = folders.find(({ displayName }) => displayName === folder);
  return found?.messages.map(({ subject }) => subject) ?? [];
}

/** Sends a test message. */
export async function sendTestEmail(
  desk: Desk,
  input: Record<string, unknown>,
): Promise<{ outboundMessage?: { id: string; state: string }; code?: string }> {
  const answer = await desk.request<{
    sendTestEmail: { outboundMessage?: { id: string; state: string }; code?: string };
  }>(
    `mutation ($input: SendTestEmailInput!) { sendTestEmail(input: $input) {
       ... on SendTestEmailPayload { outboundMessage { id state } } ... on Error { code } } }`,
    { input },
  );
  return answer.sendTestEmail;
}
