/**
 * `npm run demo`: the emulator, the server and a connected help desk in one process. Mail arrives every few seconds, and
 * the terminal shows the tickets as a client of the GraphQL API sees them. Everything lives in a folder that goes away
 * with the process; nothing but the machine itself is needed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../app.ts';
import { readConfig } from '../config.ts';
import { startEmulator } from '../emulator/emulator.ts';
import { toError } from '../errors.ts';
import { SECOND } from '../platform/clock.ts';
import { Lifecycle } from '../platform/lifecycle.ts';
import { createLogger } from '../platform/logger.ts';
import { randomToken } from '../platform/secrets.ts';
import { onStopSignal } from '../platform/stop-signals.ts';
import { connect } from './client.ts';
import { deliverStory } from './postman.ts';
import { connectMailbox } from './set-up.ts';
import { showTickets } from './ticker.ts';

const HELP_DESK = 'helpdesk@contoso.example';
const USUAL_PORT = 4000;
const MILLISECONDS_BETWEEN_MAILS = 4 * SECOND;

const logger = createLogger('error');
const lifecycle = new Lifecycle(logger);

async function main(): Promise<void> {
  stopOnSignals();
  const dataDirectory = await mkdtemp(join(tmpdir(), 'deskgraph-demo-'));
  lifecycle.defer('data of the demo', () => rm(dataDirectory, { recursive: true, force: true }));
  const emulator = await startEmulator();
  lifecycle.defer('emulator', () => emulator.close());
  const apiKey = `dg_${randomToken()}`;
  const port = await portFor(USUAL_PORT);
  // Only the defaults, and what makes the demo: an environment meant for a real server must not leak into it.
  const config = readConfig({
    PORT: String(port),
    // With an address that the emulator can call, new mail is announced at once, as Microsoft does it.
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    DESKGRAPH_DATA_DIR: dataDirectory,
    DESKGRAPH_ADMIN_KEY: apiKey,
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    LOG_LEVEL: 'error',
  });
  const app = await createApp(config, logger);
  lifecycle.defer('server', () => app[Symbol.asyncDispose]());
  const url = app.url ?? '';
  await addMailbox(emulator.url);

  const client = connect(url, apiKey);
  lifecycle.defer('client', () => client.close());
  await connectMailbox(client, HELP_DESK);
  print(welcome(url, emulator.url, apiKey));
  void showTickets(client, print).catch(fail);
  await deliverStory({
    emulatorUrl: emulator.url,
    to: HELP_DESK,
    millisecondsBetweenMails: MILLISECONDS_BETWEEN_MAILS,
    signal: lifecycle.draining,
  });
}

async function addMailbox(emulatorUrl: string): Promise<void> {
  const response = await fetch(`${emulatorUrl}/_emulator/mailboxes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ address: HELP_DESK, displayName: 'Contoso Help Desk' }),
    signal: AbortSignal.timeout(10 * SECOND),
  });
  if (!response.ok) throw new Error(`The emulator made no mailbox: HTTP ${response.status}`);
}

function welcome(url: string, emulatorUrl: string, apiKey: string): string {
  return [
    '',
    '  Deskgraph demo: mail to a Microsoft 365 mailbox becomes tickets, live over GraphQL.',
    '',
    `  GraphiQL   ${url}/graphql`,
    `  Header     { "authorization": "Bearer ${apiKey}" }`,
    `  Emulator   ${emulatorUrl}/_emulator/mailboxes/${HELP_DESK}`,
    '',
    `  Mail to ${HELP_DESK} arrives every ${MILLISECONDS_BETWEEN_MAILS / SECOND} s. Ctrl-C ends it all.`,
    '',
  ].join('\n');
}

function stopOnSignals(): void {
  onStopSignal(() => {
    print('\n  Stopping …');
    lifecycle.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(thrown: unknown): void {
  if (lifecycle.draining.aborted) return;
  process.stderr.write(`${toError(thrown).message}\n`);
  void lifecycle.stop().finally(() => process.exit(1));
}

/** The usual port, or a free one when something listens there already. */
function portFor(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () =>
      port === 0 ? reject(new Error('There is no free port.')) : resolve(portFor(0)),
    );
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

main().catch(fail);
