import { discoverIdentitiesJob } from '../../src/mailboxes/identities.jobs.ts';
import { rowId } from '../security/filled-desk.ts';
import { type Desk, graphqlRequest, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

/** An identity as the tests of sending look at it. */
export interface IdentityView {
  id: string;
  emailAddress: string;
  kind: string;
  status: string;
  canSend: boolean;
  problem: { code: string; message: string; remedy: string } | null;
  senderProfile: { id: string; name: string } | null;
  removedAt: string | null;
}

export const IDENTITY =
  'id emailAddress kind status canSend problem { code message remedy } senderProfile { id name } removedAt';
export const OUTGOING =
  'outgoing { enabled fromName defaultIdentity { id emailAddress } personalUser { id } problem { code remedy } }';
export const PROFILE = 'senderProfile { id name fromName replyTo signatureText signatureHtml }';

/** Whatever the mutations of sending answer. */
export interface SendingAnswer {
  __typename: string;
  code?: string;
  message?: string;
  remedy?: string;
  identity: IdentityView;
  mailbox: {
    id: string;
    outgoing: {
      enabled: boolean;
      fromName: string | null;
      defaultIdentity: { id: string; emailAddress: string } | null;
      personalUser: { id: string } | null;
      problem: { code: string; remedy: string } | null;
    };
  };
  senderProfile: {
    id: string;
    name: string;
    fromName: string | null;
    replyTo: string | null;
    signatureText: string | null;
    signatureHtml: string | null;
  };
  organization: {
    outgoingPolicy: { defaultIdentity: { id: string } | null; allowsPersonalSenders: boolean };
  };
  wasMailboxDefault?: boolean;
  wasOrganizationDefault?: boolean;
  deletedSenderProfileId?: string;
}

const FIELDS = {
  addSendAsAddress: `identity { ${IDENTITY} }`,
  removeIdentity: `identity { ${IDENTITY} } mailbox { id ${OUTGOING} } wasMailboxDefault wasOrganizationDefault`,
  assignSenderProfile: `identity { ${IDENTITY} }`,
  createSenderProfile: PROFILE,
  updateSenderProfile: PROFILE,
  deleteSenderProfile: 'deletedSenderProfileId',
  updateOutgoingSettings: `mailbox { id ${OUTGOING} }`,
  updateOutgoingPolicy: 'organization { outgoingPolicy { allowsPersonalSenders defaultIdentity { id } } }',
  removeMailbox: `mailbox { id ${OUTGOING} }`,
  disconnectAccount: 'account { id }',
  refreshAccount: 'account { id } problem { code }',
} as const;
export type SendingMutation = keyof typeof FIELDS;

/** Runs a mutation, by another key than the owner's when one is given. Throws with the first top-level error. */
export async function runSending(
  app: TestApp,
  desk: Pick<Desk, 'apiKey'>,
  name: SendingMutation,
  input: Record<string, unknown>,
  apiKey = desk.apiKey,
): Promise<SendingAnswer> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const answer = await graphqlRequest<Record<string, SendingAnswer>>(
    app.url,
    apiKey,
    `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
       ... on ${type}Payload { ${FIELDS[name]} } ... on Error { code message remedy } } }`,
    { input },
  );
  return answer[name] as SendingAnswer;
}

/** The identities of a mailbox, and why others may not be known. */
export async function identitiesOf(
  desk: Desk,
  mailboxId: string,
): Promise<{ identities: IdentityView[]; identitiesProblem: { code: string; remedy: string } | null }> {
  const { node } = await desk.request<{
    node: { identities: IdentityView[]; identitiesProblem: { code: string; remedy: string } | null };
  }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox {
       identities { ${IDENTITY} } identitiesProblem { code remedy } } } }`,
    { id: mailboxId },
  );
  return node;
}

/**
 * Waits until the job is over that reads the addresses of a mailbox once it is connected. Before a test changes them: what
 * it read before would be written down after what `refreshAccount` reads.
 */
export async function addressesAreRead(app: TestApp, mailboxId: string): Promise<void> {
  await eventually('the addresses of the mailbox are read', async () => {
    const jobs = await app.database.em.fork().execute<object[]>(
      `select from graphile_worker._private_jobs as job
         join graphile_worker._private_tasks as task on task.id = job.task_id
        where task.identifier = ? and job.payload->>'mailboxId' = ?`,
      [discoverIdentitiesJob.name, rowId(mailboxId)],
    );
    return jobs.length === 0;
  });
}

/** The id of the account that reads a mailbox. */
export async function accountIdOf(desk: Desk, mailboxId: string): Promise<string> {
  const { node } = await desk.request<{ node: { account: { id: string } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { account { id } } } }',
    { id: mailboxId },
  );
  return node.account.id;
}
