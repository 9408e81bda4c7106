import { control, type Desk } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import type { Measurement } from './measurement.ts';
import { onStage } from './stage.ts';

const MESSAGES = 1_000;

/** P2: what 1,000 messages cost at Graph, archived afterwards, one in ten with an attachment. */
export function graphCost(): Promise<Measurement[]> {
  return onStage(async ({ desk, emulatorUrl }) => {
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId: 'archive' });
    await control(emulatorUrl, 'settings', { latencyMs: 50 });
    await control(emulatorUrl, 'push', { paused: true });
    await fill(emulatorUrl, address);
    await fetch(`${emulatorUrl}/_emulator/requests`, { method: 'DELETE' });
    await desk.sync(mailboxId);
    await eventually(
      'everything is archived and every attachment stored',
      async () =>
        (await archived(emulatorUrl, address)) === MESSAGES && (await areFilesStored(desk, mailboxId)),
      120_000,
    );
    const { httpRequests, countedRequests } = await control<{
      httpRequests: number;
      countedRequests: number;
    }>(emulatorUrl, 'requests');
    const what = 'for 1,000 messages, archived, one in ten with an attachment';
    return [
      { what: `P2 HTTP requests to Graph ${what}`, ours: httpRequests, floor: null, unit: '', goal: 100 },
      { what: `P2 counted requests ${what}`, ours: countedRequests, floor: null, unit: '', goal: 1_300 },
    ];
  });
}

async function fill(emulatorUrl: string, address: string): Promise<void> {
  const contentBytes = Buffer.from('A short log.').toString('base64');
  await deliverMany(
    emulatorUrl,
    Array.from({ length: MESSAGES }, (_, index) => ({
      to: address,
      subject: `Mail ${index}`,
      ...(index % 10 === 0 ? { attachments: [{ name: 'log.txt', contentBytes }] } : {}),
    })),
  );
}

async function archived(emulatorUrl: string, address: string): Promise<number | undefined> {
  const { folders } = await control<{
    folders: { wellKnownName: string | null; totalItemCount: number }[];
  }>(emulatorUrl, `mailboxes/${address}?top=1`);
  return folders.find(({ wellKnownName }) => wellKnownName === 'archive')?.totalItemCount;
}

/** Of the first hundred messages; the others are stored in the same jobs. */
async function areFilesStored(desk: Desk, mailboxId: string): Promise<boolean> {
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { message: { attachments: { state: string }[] } | null } }[] };
  }>(
    `query ($mailboxId: ID!) { inboundMessages(first: 100, filter: { mailboxId: $mailboxId }) {
       edges { node { message { attachments { state } } } } } }`,
    { mailboxId },
  );
  const attachments = inboundMessages.edges.flatMap(({ node }) => node.message?.attachments ?? []);
  return attachments.length === 10 && attachments.every(({ state }) => state === 'STORED');
}
