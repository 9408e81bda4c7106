import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { freePort } from '../support/app.ts';
import { startServerProcess } from '../support/server-process.ts';
import { type Measurement, median } from './measurement.ts';
import { inFolder, secondsSince } from './stage.ts';

const ROUNDS = 3;

/** P7: from an empty folder to the first request; the floor is the embedded PostgreSQL alone. */
export async function coldStart(): Promise<Measurement[]> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    floor.push(await inFolder(postgresAlone));
    ours.push(await inFolder(wholeServer));
  }
  return [
    {
      what: 'P7 cold start, empty folder to /readyz (floor: PostgreSQL alone)',
      ours: median(ours),
      floor: median(floor),
      unit: 's',
      goal: null,
    },
    {
      what: 'P7 of it more than PostgreSQL alone',
      ours: median(ours) - median(floor),
      floor: null,
      unit: 's',
      goal: 3,
    },
  ];
}

async function postgresAlone(dataDirectory: string): Promise<number> {
  const startedAt = performance.now();
  const postgres = await startEmbeddedPostgres({ dataDirectory, logger: createLogger('silent') });
  const seconds = secondsSince(startedAt);
  await postgres.stop();
  return seconds;
}

async function wholeServer(dataDirectory: string): Promise<number> {
  const env = { PORT: String(await freePort()), DESKGRAPH_DATA_DIR: dataDirectory, LOG_LEVEL: 'error' };
  const startedAt = performance.now();
  const server = await startServerProcess(env);
  const seconds = secondsSince(startedAt);
  await server.stop();
  return seconds;
}
