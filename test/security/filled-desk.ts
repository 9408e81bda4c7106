import { Organization } from '../../src/access/organization.entity.ts';
import { encodeGlobalId, parseGlobalId } from '../../src/graphql/global-id.ts';
import { findSender } from '../../src/mailboxes/choose-identity.ts';
import { Notification } from '../../src/outbound/notification.entity.ts';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import { queueOutbound } from '../../src/outbound/queue-outbound.ts';
import { forkFor } from '../../src/platform/database.ts';
import { recordEvents } from '../../src/realtime/record.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { signIn } from '../access/harness.ts';
import type { Desk, TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { makeGroup, makeRule } from '../ticketing/mail-rule-desk.ts';
import type { Ids, Operation } from './operations.ts';

/** An organization that has one of everything, and an event of every type. */
export interface FilledDesk {
  desk: Desk;
  ids: Ids;
}

interface Filled {
  tickets: { edges: { node: { id: string; requester: { id: string }; messages: Edges<FilledMessage> } }[] };
  inboundMessages: Edges<{ id: string }>;
  syncRuns: Edges<{ id: string }>;
  mailboxes: Edges<{
    account: { id: string; integration: { id: string } };
    identities: { id: string; senderProfile: { id: string } }[];
  }>;
}
type Edges<Node> = { edges: { node: Node }[] };
interface FilledMessage {
  id: string;
  attachments: { id: string; state: string }[];
}

/** Makes an organization whose mailbox has brought in a mail with an attachment. */
export async function fillDesk(app: TestApp, name: string): Promise<FilledDesk> {
  const desk = await app.newDesk(name);
  // It might send, but sending is off: without the permission its mail would wait, and be tried again after five minutes.
  const { mailboxId, address } = await desk.connectMailbox(undefined, 'SENDING');
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  await deliver(app.emulator.url, {
    to: address,
    subject: `The subject of ${name}`,
    text: `The text of ${name}`,
    attachments: [{ name: 'a.txt', contentBytes: Buffer.from(`The file of ${name}`).toString('base64') }],
  });
  await desk.sync(mailboxId);
  const filled = await eventually('the attachment is stored', async () => {
    const found = await desk.request<Filled>(`{
      tickets { edges { node { id requester { id } messages { edges { node { id attachments { id state } } } } } } }
      inboundMessages { edges { node { id } } }
      syncRuns { edges { node { id } } }
      mailboxes { edges { node { account { id integration { id } } identities { id senderProfile { id } } } } } }`);
    const [message] = first(found.tickets).messages.edges;
    return message?.node.attachments[0]?.state === 'STORED' && found;
  });
  const { reconcileMailbox } = await desk.request<{ reconcileMailbox: { reconciliation: { id: string } } }>(
    `mutation ($id: ID!) { reconcileMailbox(input: { mailboxId: $id }) {
       ... on ReconcileMailboxPayload { reconciliation { id } } } }`,
    { id: mailboxId },
  );
  await eventually('the reconciliation ends', async () => {
    const { node } = await desk.request<{ node: { state: string } }>(
      'query ($id: ID!) { node(id: $id) { ... on Reconciliation { state } } }',
      { id: reconcileMailbox.reconciliation.id },
    );
    return node.state === 'SUCCEEDED';
  });
  const { id: mailImportId } = await eventually('the import ends', async () => {
    const { node } = await desk.request<{ node: { lastImport: { id: string; state: string } } }>(
      'query ($id: ID!) { node(id: $id) { ... on Mailbox { lastImport { id state } } } }',
      { id: mailboxId },
    );
    return node.lastImport.state === 'SUCCEEDED' && node.lastImport;
  });
  const groupId = await makeGroup(desk, `The group of ${name}`);
  const mailRule = await makeRule(desk, `The rule of ${name}`, { actions: { groupId } });
  const spare = await signIn(app.database, desk.organizationId, 'AGENT');
  const ticket = first(filled.tickets);
  const message = first(ticket.messages);
  const { account, identities } = first(filled.mailboxes);
  const { startSignIn } = await desk.request<{ startSignIn: { signInAttempt: { id: string } } }>(
    `mutation ($id: ID!) { startSignIn(input: { integrationId: $id }) {
       ... on StartSignInPayload { signInAttempt { id } } } }`,
    { id: account.integration.id },
  );
  const known: Omit<Ids, 'Notification'> = {
    Organization: encodeGlobalId('Organization', desk.organizationId),
    User: encodeGlobalId('User', spare.user.id),
    ApiKey: encodeGlobalId('ApiKey', spare.apiKeyId),
    Integration: account.integration.id,
    Account: account.id,
    SignInAttempt: startSignIn.signInAttempt.id,
    Mailbox: mailboxId,
    SyncRun: first(filled.syncRuns).id,
    Reconciliation: reconcileMailbox.reconciliation.id,
    MailImport: mailImportId,
    InboundMessage: first(filled.inboundMessages).id,
    Ticket: ticket.id,
    Message: message.id,
    Contact: ticket.requester.id,
    Attachment: message.attachments[0]?.id ?? '',
    Group: groupId,
    MailRule: mailRule.id,
    Identity: identities[0]?.id ?? '',
    SenderProfile: identities[0]?.senderProfile.id ?? '',
    OutboundMessage: await queueMail(app, desk, identities[0]?.id ?? '', ticket.id),
  };
  const ids: Ids = { ...known, Notification: await addNotification(app, desk, known) };
  await forkFor(app.database, desk.organizationId).transactional((em) =>
    recordEvents(em, em.getReference(Organization, desk.organizationId).id, [
      { type: 'ticket.updated', ticketId: rowId(ids.Ticket) },
      { type: 'account-status.changed', accountId: rowId(ids.Account) },
      { type: 'sign-in.ended', signInAttemptId: rowId(ids.SignInAttempt) },
      { type: 'credential.expiring', integrationId: rowId(ids.Integration) },
    ]),
  );
  return { desk, ids };
}

/** What was decided about telling somebody of the ticket. */
async function addNotification(
  app: TestApp,
  desk: Desk,
  ids: Pick<Ids, 'Ticket' | 'OutboundMessage'>,
): Promise<string> {
  const em = forkFor(app.database, desk.organizationId);
  const notification = em.create(Notification, {
    organization: em.getReference(Organization, desk.organizationId),
    eventPosition: '1',
    kind: 'RECEIVED',
    ticket: em.getReference(Ticket, rowId(ids.Ticket)),
    outcome: 'QUEUED',
    recipient: 'carol@fabrikam.example',
    explanation: 'Sent.',
    outboundMessage: em.getReference(OutboundMessage, rowId(ids.OutboundMessage)),
  });
  await em.flush();
  return encodeGlobalId('Notification', notification.id);
}

/** A mail in the outbox; it fails at once, since sending is off in the mailbox. */
async function queueMail(app: TestApp, desk: Desk, identityId: string, ticketId: string): Promise<string> {
  const { organizationId } = desk;
  const id = await forkFor(app.database, organizationId).transactional(async (em) => {
    const sender = await findSender(em, rowId(identityId));
    if (!sender) throw new Error('The mailbox has no identity.');
    const { identity, mailbox } = sender;
    const queued = await queueOutbound(em, {
      organizationId,
      kind: 'REPLY',
      chosen: {
        identity,
        mailbox,
        from: { name: 'Desk', emailAddress: identity.emailAddress },
        replyTo: [],
        signature: { text: null, html: null },
      },
      ticketId: rowId(ticketId),
      messageId: null,
      authorId: null,
      idempotencyKey: null,
      to: [{ name: null, emailAddress: 'carol@fabrikam.example' }],
      cc: [],
      bcc: [],
      subject: 'An answer',
      bodyHtml: null,
      bodyText: 'An answer',
      inReplyTo: null,
      references: [],
      answersGraphMessageId: null,
      isAutomatic: false,
      filesBytes: 0,
      now: new Date(),
    });
    return queued.id;
  });
  // Its row changes once more, and some tests compare all rows.
  await eventually('the mail has failed', async () => {
    const { state } = await forkFor(app.database, organizationId).findOneOrFail(OutboundMessage, { id });
    return state === 'FAILED';
  });
  return encodeGlobalId('OutboundMessage', id);
}

/** The UUID in a global id. */
export function rowId(globalId: string): string {
  const parsed = parseGlobalId(globalId);
  if (!parsed) throw new Error(`${globalId} is no global id.`);
  return parsed.id;
}

/** Ids of the same kinds that nothing has. */
export function unknownIds(ids: Ids): Ids {
  return Object.fromEntries(
    Object.keys(ids).map((type) => [type, encodeGlobalId(type, crypto.randomUUID())]),
  ) as unknown as Ids;
}

/** What came back: the status, and the body, or the first result of a stream. */
export interface Answer {
  status: number;
  body: {
    data?: Record<string, unknown> | null;
    errors?: { message: string; extensions?: { code?: string } }[];
  };
}

/**
 * Sends an operation over HTTP, a subscription as an event stream, of which the first result counts: what is allowed brings
 * an event that is there already, but not before the oldest transaction of the whole server has ended.
 */
export async function send(
  url: string,
  { document }: Pick<Operation, 'document'>,
  variables: Record<string, unknown>,
  authorization?: string,
): Promise<Answer> {
  const isStream = document.startsWith('subscription');
  const controller = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: isStream ? 'text/event-stream' : 'application/json',
      // The same for all: it stands in some errors, and answers are compared.
      'x-request-id': 'security-test',
      ...(authorization && { authorization }),
    },
    body: JSON.stringify({ query: document, variables }),
    signal: AbortSignal.any([controller.signal, AbortSignal.timeout(SLOW_MACHINE)]),
  });
  const { status } = response;
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    return { status, body: (await response.json()) as Answer['body'] };
  }
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    // To its empty line: a part of it may come alone.
    const data = /^data: (\{.*)\n\n/m.exec(text)?.[1];
    if (data) {
      controller.abort();
      return { status, body: JSON.parse(data) as Answer['body'] };
    }
  }
  return { status, body: {} };
}

function first<Node>({ edges }: Edges<Node>): Node {
  const [edge] = edges;
  if (!edge) throw new Error('The list is empty.');
  return edge.node;
}
