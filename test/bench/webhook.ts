import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freePort } from '../support/app.ts';
import { startServerProcess } from '../support/server-process.ts';
import { ENCRYPTION_KEYS, notificationOf, seedSubscriptions } from '../support/subscriptions.ts';
import { burst, flood, type Load, postOf } from './load.ts';
import { type Measurement, median, percentile } from './measurement.ts';
import { inFolder, startProgram } from './stage.ts';

const MAILBOXES = 50;
const NOTIFICATIONS = 5_000;
const CONNECTIONS = 64;
const BURST = 1_000;
const ROUNDS = 3;

/**
 * P4: notifications that the webhook accepts, one in each request, for 50 mailboxes of five organizations. The floor runs on
 * the same PostgreSQL and is asked by the same client; they take turns, since the machine's mood changes.
 */
export async function webhook(): Promise<Measurement[]> {
  return inFolder(async (dataDirectory) => {
    const postgres = await startEmbeddedPostgres({ dataDirectory, logger: createLogger('silent') });
    try {
      const server = await startServerProcess({
        PORT: String(await freePort()),
        DATABASE_URL: postgres.url,
        DESKGRAPH_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
        // The accounts of the mailboxes are made up: nobody could read them.
        DESKGRAPH_ROLES: 'api',
        LOG_LEVEL: 'error',
      });
      try {
        await using floor = await startProgram('test/bench/floors/webhook.ts', 'FLOOR_PORT', '/', {
          DATABASE_URL: postgres.url,
        });
        const subscriptions = await seedSubscriptions(postgres.url, {
          organizations: 5,
          mailboxes: MAILBOXES / 5,
        });
        const requestsTo = (url: string, count: number) => {
          const posts = subscriptions.map((subscription) =>
            postOf(url, JSON.stringify({ value: [notificationOf(subscription)] })),
          );
          return Array.from({ length: count }, (_, index) => posts[index % posts.length] ?? Buffer.alloc(0));
        };
        const targets = { ours: `${server.url}/webhooks/microsoft-graph`, floor: `${floor.url}/` };
        const rates = { ours: [] as number[], floor: [] as number[] };
        const bursts = { ours: [] as number[], floor: [] as number[] };
        for (let round = 0; round <= ROUNDS; round += 1) {
          for (const who of ['floor', 'ours'] as const) {
            const url = targets[who];
            const flooded = allAccepted(await flood(url, requestsTo(url, NOTIFICATIONS), CONNECTIONS));
            const burstOf = allAccepted(await burst(url, requestsTo(url, BURST), CONNECTIONS));
            // The first round warms both up.
            if (round === 0) continue;
            rates[who].push(NOTIFICATIONS / flooded.seconds);
            bursts[who].push(percentile(burstOf.latencies, 99));
          }
        }
        return [
          {
            what: `P4 notifications accepted per second, ${CONNECTIONS} connections (floor: node:http and an insert each)`,
            ours: median(rates.ours),
            floor: median(rates.floor),
            unit: '1/s',
            goal: 0.7,
            better: 'HIGHER',
          },
          {
            what: `P4 p99 of ${BURST} notifications within a second (floor: ${Math.round(median(bursts.floor))} ms)`,
            ours: median(bursts.ours),
            floor: null,
            unit: 'ms',
            goal: 250,
          },
        ];
      } finally {
        await server.stop();
      }
    } finally {
      await postgres.stop();
    }
  });
}

function allAccepted(load: Load): Load {
  const others = [...load.statuses].filter(([status]) => status !== 202);
  if (others.length > 0) throw new Error(`Not every notification was accepted: ${JSON.stringify(others)}`);
  return load;
}
