import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { control, createDesk, type Desk, freePort } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import { type Measurement, median, report } from './measurement.ts';

/** `npm run bench`: how fast, and how sparing with Graph, on this machine at this moment. */

const MESSAGES = 2_000;
const ADMIN_KEY = 'dg_bench-admin-key-0123456789abcdefghijklm';
const SELECT =
  'id,internetMessageId,conversationId,subject,from,replyTo,toRecipients,ccRecipients,receivedDateTime,sentDateTime,hasAttachments,isDraft,body,uniqueBody,internetMessageHeaders';

async function coldStart(): Promise<Measurement> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let round = 0; round < 3; round++) {
    floor.push(
      await inFolder(async (dataDirectory) => {
        const startedAt = performance.now();
        const postgres = await startEmbeddedPostgres({ dataDirectory, logger: createLogger('silent') });
        const seconds = secondsSince(startedAt);
        await postgres.stop();
        return seconds;
      }),
    );
    ours.push(
      await inFolder(async (dataDirectory) => {
        const startedAt = performance.now();
        const server = await startServerProcess({
          PORT: String(await freePort()),
          DESKGRAPH_DATA_DIR: dataDirectory,
          LOG_LEVEL: 'error',
        });
        const seconds = secondsSince(startedAt);
        await server.stop();
        return seconds;
      }),
    );
  }
  return {
    what: 'cold start, empty folder to /readyz (floor: PostgreSQL alone)',
    ours: median(ours),
    floor: median(floor),
    unit: 's',
    goal: null,
  };
}

async function sync(): Promise<Measurement[]> {
  return inFolder(async (dataDirectory) => {
    await using emulator = await startEmulator();
    const server = await startServerProcess({
      PORT: String(await freePort()),
      DESKGRAPH_DATA_DIR: dataDirectory,
      DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
      MICROSOFT_LOGIN_URL: emulator.loginUrl,
      MICROSOFT_GRAPH_URL: emulator.graphUrl,
      LOG_LEVEL: 'error',
    });
    try {
      const desk = createDesk(server.url, emulator, 'first', ADMIN_KEY);
      const { mailboxId, address } = await desk.connectMailbox();
      await desk.enable(mailboxId);
      await control(emulator.url, 'settings', { latencyMs: 50 });
      for (let start = 0; start < MESSAGES; start += 500) {
        await deliverMany(
          emulator.url,
          Array.from({ length: 500 }, (_, index) => ({
            to: address,
            subject: `Mail ${start + index}`,
            text: 'The printer is broken again.\n\nRegards\nCarol',
          })),
        );
      }
      const floor = await fetchAndThrowAway(emulator.url, address);
      await fetch(`${emulator.url}/_emulator/requests`, { method: 'DELETE' });
      const startedAt = performance.now();
      const run = await desk.sync(mailboxId);
      const ours = secondsSince(startedAt);
      if (run.created !== MESSAGES) throw new Error(`${run.created} tickets of ${MESSAGES} messages.`);
      return [
        {
          what: `sync of ${MESSAGES} messages, Graph at 50 ms (floor: the pages fetched and thrown away)`,
          ours,
          floor,
          unit: 's',
          goal: 2,
        },
        { what: 'messages per second', ours: MESSAGES / ours, floor: null, unit: '1/s', goal: null },
        ...(await costOfAThousand(desk, emulator.url)),
        {
          what: 'Graph requests per 1,000 messages, without archiving',
          ours: (run.requests / MESSAGES) * 1_000,
          floor: null,
          unit: '',
          goal: 100,
        },
      ];
    } finally {
      await server.stop();
    }
  });
}

/** What 1,000 messages cost at Graph, archived afterwards, one in ten with an attachment. */
async function costOfAThousand(desk: Desk, emulatorUrl: string): Promise<Measurement[]> {
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
  const contentBytes = Buffer.from('A short log.').toString('base64');
  await deliverMany(
    emulatorUrl,
    Array.from({ length: 1_000 }, (_, index) => ({
      to: address,
      subject: `Mail ${index}`,
      ...(index % 10 === 0 ? { attachments: [{ name: 'log.txt', contentBytes }] } : {}),
    })),
  );
  await fetch(`${emulatorUrl}/_emulator/requests`, { method: 'DELETE' });
  await desk.sync(mailboxId);
  await eventually(
    'everything is archived and every attachment stored',
    async () => {
      const { folders } = await control<{
        folders: { wellKnownName: string | null; totalItemCount: number }[];
      }>(emulatorUrl, `mailboxes/${address}?top=1`);
      const { inboundMessages } = await desk.request<{
        inboundMessages: { edges: { node: { message: { attachments: { state: string }[] } | null } }[] };
      }>(
        `query ($mailboxId: ID!) { inboundMessages(first: 100, filter: { mailboxId: $mailboxId }) {
           edges { node { message { attachments { state } } } } } }`,
        { mailboxId },
      );
      const attachments = inboundMessages.edges.flatMap(({ node }) => node.message?.attachments ?? []);
      const archived = folders.find(({ wellKnownName }) => wellKnownName === 'archive')?.totalItemCount;
      return (
        archived === 1_000 &&
        attachments.length === 10 &&
        attachments.every(({ state }) => state === 'STORED')
      );
    },
    120_000,
  );
  const { httpRequests, countedRequests } = await control<{ httpRequests: number; countedRequests: number }>(
    emulatorUrl,
    'requests',
  );
  const what = 'for 1,000 messages, archived, one in ten with an attachment';
  return [
    { what: `HTTP requests to Graph ${what}`, ours: httpRequests, floor: null, unit: '', goal: 100 },
    { what: `counted requests ${what}`, ours: countedRequests, floor: null, unit: '', goal: 1_300 },
  ];
}

/** The same pages, asked for by hand: what no implementation can be faster than. */
async function fetchAndThrowAway(emulatorUrl: string, address: string): Promise<number> {
  const tenant = address.slice(address.indexOf('@') + 1);
  const answer = await fetch(`${emulatorUrl}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: crypto.randomUUID(),
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: token } = (await answer.json()) as { access_token: string };
  const startedAt = performance.now();
  let link: string | undefined =
    `${emulatorUrl}/v1.0/users/${address}/mailFolders/inbox/messages/delta?$select=${SELECT}`;
  while (link) {
    const page: Response = await fetch(link, {
      headers: { authorization: `Bearer ${token}`, prefer: 'IdType="ImmutableId", odata.maxpagesize=100' },
    });
    const body = (await page.json()) as { '@odata.nextLink'?: string };
    link = body['@odata.nextLink'];
  }
  return secondsSince(startedAt);
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'deskgraph-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1_000;
}

await report([...(await sync()), await coldStart()]);
