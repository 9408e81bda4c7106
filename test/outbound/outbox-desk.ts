import { decodeId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { chooseIdentity } from '../../src/mailboxes/choose-identity.ts';
import { deliverJob } from '../../src/outbound/deliver.jobs.ts';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import { type OutboundRequest, queueOutbound } from '../../src/outbound/queue-outbound.ts';
import { type EntityManager, forkFor } from '../../src/platform/database.ts';
import { control, type Desk, type TestApp } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { eventually } from '../support/wait.ts';

/** A mailbox that may send, and its outbox. */
export interface OutboxDesk {
  desk: Desk;
  /** Our id, not the global one. */
  mailboxId: string;
  address: string;
  /** Puts a mail into the outbox. */
  queue(mail?: Partial<OutboundRequest> & { identityId?: string }, inside?: EntityManager): Promise<string>;
  /** The row as it is now. */
  read(id: string): Promise<OutboundMessage>;
  /** Waits for a state. */
  reaches(id: string, ...states: OutboundMessage['state'][]): Promise<OutboundMessage>;
  /** Asks for a run of both lanes, as whoever queues something does. */
  wake(): Promise<void>;
  /**
   * Waits until a lane is at nothing any more and waits itself, and gives for how many seconds. What Microsoft or a limit
   * keeps shows its problem before that, and again while a run that was asked for meanwhile has taken it once more.
   */
  rests(lane: 'PROMPT' | 'BULKY'): Promise<number>;
}

/** What the emulator says of the mails that have reached a recipient. */
export interface Deliveries {
  total: number;
  underWay: number;
  deliveries: {
    outboundMessage: string | null;
    internetMessageId: string;
    recipient: string;
    from: string;
    outcome: string;
    count: number;
    first: string;
  }[];
}

/** Connects a mailbox, lets it send, and gives its outbox. */
export async function openOutbox(app: TestApp, desk?: Desk, address?: string): Promise<OutboxDesk> {
  const own = desk ?? (await app.newDesk());
  const connected = await own.connectMailbox(address);
  const { integrations } = await own.request<{ integrations: { edges: { node: { id: string } }[] } }>(
    '{ integrations(first: 100) { edges { node { id } } } }',
  );
  const integrationId = integrations.edges.at(0)?.node.id;
  const { startSignIn } = await own.request<{ startSignIn: { authorizationUrl?: string; message?: string } }>(
    `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
       ... on StartSignInPayload { authorizationUrl } ... on Error { message } } }`,
    { input: { integrationId, purpose: 'SENDING' } },
  );
  if (!startSignIn.authorizationUrl) throw new Error(startSignIn.message);
  await signInAs(startSignIn.authorizationUrl, connected.address);
  const mailboxId = decodeId('Mailbox', connected.mailboxId);
  const { organizationId } = own;
  const fork = () => forkFor(app.database, organizationId);
  await fork().execute('update mailbox set outgoing_enabled = true where organization_id = ? and id = ?', [
    organizationId,
    mailboxId,
  ]);
  const read = (id: string) => fork().findOneOrFail(OutboundMessage, { id });
  return {
    desk: own,
    mailboxId,
    address: connected.address,
    read,
    queue: ({ identityId, ...mail } = {}, inside = fork()) =>
      inside.transactional(async (em) => {
        const now = new Date();
        const chosen = await chooseIdentity(em, {
          organizationId,
          mailboxId,
          addressedTo: [],
          wantedIdentityId: identityId ?? null,
          userId: null,
          now,
        });
        const queued = await queueOutbound(em, {
          organizationId,
          kind: 'TEST',
          chosen,
          ticketId: null,
          messageId: null,
          authorId: null,
          idempotencyKey: null,
          to: [{ name: null, emailAddress: newCustomer() }],
          cc: [],
          bcc: [],
          subject: 'A mail of the outbox',
          bodyHtml: '<p>Hello</p>',
          bodyText: 'Hello',
          inReplyTo: null,
          references: [],
          answersGraphMessageId: null,
          isAutomatic: false,
          filesBytes: 0,
          now,
          ...mail,
        });
        return queued.id;
      }),
    reaches: (id, ...states) =>
      eventually(
        `the mail is ${states.join(' or ')}`,
        async () => {
          const row = await read(id);
          return states.includes(row.state) && row;
        },
        40_000,
      ),
    async wake() {
      for (const lane of ['PROMPT', 'BULKY'] as const) {
        await enqueue(fork(), deliverJob, { organizationId, mailboxId, lane });
      }
    },
    rests: (lane) =>
      eventually(`the lane ${lane} waits`, async () => {
        const [job] = await fork().execute<{ seconds: number }[]>(
          `select extract(epoch from run_at - now())::float8 as seconds from graphile_worker._private_jobs
            where key = ? and locked_at is null`,
          [`${deliverJob.name}:${mailboxId}:${lane}`],
        );
        return job !== undefined && job.seconds > 1 && job.seconds;
      }),
  };
}

/** An address of somebody outside. */
export function newCustomer(): string {
  return `customer-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`;
}

/** What has arrived of a mail, by its id in the outbox. Waits for what is under way. */
export async function arrivals(app: TestApp, outboundMessageId: string): Promise<Deliveries['deliveries']> {
  return await eventually('nothing is under way', async () => {
    const { underWay, deliveries } = await control<Deliveries>(
      app.emulator.url,
      `deliveries?outboundMessage=${outboundMessageId}`,
    );
    return underWay === 0 && deliveries;
  });
}

/** How often a mail has arrived, over all recipients. */
export async function timesArrived(app: TestApp, outboundMessageId: string): Promise<number> {
  const found = await arrivals(app, outboundMessageId);
  return found.reduce((sum, { count }) => sum + count, 0);
}
