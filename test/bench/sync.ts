import { control } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { appToken, graphHeaders, SELECT } from './app-token.ts';
import type { Measurement } from './measurement.ts';
import { cpuSeconds, onStage, type Stage, secondsSince } from './stage.ts';

const MESSAGES = 2_000;

/** P8, and how fast a full folder is read by a sync. The import of one is P3. The floor is the same pages, fetched and thrown away. */
export function sync(): Promise<Measurement[]> {
  return onStage(async (stage) => {
    const { desk, emulatorUrl } = stage;
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    await control(emulatorUrl, 'settings', { latencyMs: 50 });
    // Nobody shall begin before the clock does.
    await control(emulatorUrl, 'push', { paused: true });
    await fill(stage, address);
    const floor = await fetchAndThrowAway(emulatorUrl, address);
    const cpuBefore = await cpuSeconds(stage);
    const startedAt = performance.now();
    const run = await desk.sync(mailboxId);
    const ours = secondsSince(startedAt);
    const cpu = (await cpuSeconds(stage)) - cpuBefore;
    if (run.created !== MESSAGES) throw new Error(`${run.created} tickets of ${MESSAGES} messages.`);
    return [
      {
        what: `P8 sync of ${MESSAGES} messages, Graph at 50 ms (floor: the pages fetched and thrown away)`,
        ours,
        floor,
        unit: 's',
        goal: 2,
      },
      {
        what: 'P8 messages per second of a sync',
        ours: MESSAGES / ours,
        floor: null,
        unit: '1/s',
        goal: null,
      },
      {
        what: 'P8 processor time of the server process per message',
        ours: (cpu / MESSAGES) * 1_000,
        floor: null,
        unit: 'ms',
        goal: null,
      },
      {
        what: 'P2 Graph requests per 1,000 messages, without archiving',
        ours: (run.requests / MESSAGES) * 1_000,
        floor: null,
        unit: '',
        goal: 100,
      },
    ];
  });
}

async function fill({ emulatorUrl }: Stage, address: string): Promise<void> {
  for (let start = 0; start < MESSAGES; start += 500) {
    await deliverMany(
      emulatorUrl,
      Array.from({ length: 500 }, (_, index) => ({
        to: address,
        subject: `Mail ${start + index}`,
        text: 'The printer is broken again.\n\nRegards\nCarol',
      })),
    );
  }
}

/** The same pages, asked for by hand: what no implementation can be faster than. */
async function fetchAndThrowAway(emulatorUrl: string, address: string): Promise<number> {
  const headers = graphHeaders(await appToken(emulatorUrl, address));
  const startedAt = performance.now();
  let link: string | undefined =
    `${emulatorUrl}/v1.0/users/${address}/mailFolders/inbox/messages/delta?$select=${SELECT}`;
  while (link) {
    const page: Response = await fetch(link, { headers });
    const body = (await page.json()) as { '@odata.nextLink'?: string };
    link = body['@odata.nextLink'];
  }
  return secondsSince(startedAt);
}
