import { startEmulator } from './emulator.ts';

const DEFAULT_PORT = 4010;

/** `npm run emulator`: the Microsoft 365 emulator as a process of its own, until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const { EMULATOR_PORT, EMULATOR_HOST, EMULATOR_STATE_FILE, EMULATOR_LATENCY_MS } = process.env;
  const port = readNumber('EMULATOR_PORT', EMULATOR_PORT, DEFAULT_PORT, 65_535);
  const latencyMs = readNumber('EMULATOR_LATENCY_MS', EMULATOR_LATENCY_MS, 0, 600_000);
  const emulator = await startEmulator({
    port,
    latencyMs,
    ...(EMULATOR_HOST ? { host: EMULATOR_HOST } : {}),
    ...(EMULATOR_STATE_FILE ? { stateFile: EMULATOR_STATE_FILE } : {}),
  });
  process.stdout.write(`${welcome(emulator)}\n`);

  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1); // the second signal: do not wait for the state file
    stopping = true;
    emulator.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

function welcome({ url, graphUrl, loginUrl, state }: Awaited<ReturnType<typeof startEmulator>>): string {
  const people = [...state.tenants.values()].flatMap((tenant) => [
    `  ${tenant.displayName} (${tenant.domain}, ${tenant.id})`,
    ...[...tenant.users.values()].map(
      (user) =>
        `    ${user.userPrincipalName.padEnd(28)} ${user.displayName}${user.isAdmin ? ', administrator' : ''}` +
        `${user.mailbox === 'shared' ? ', shared mailbox' : user.mailbox === null ? ', no mailbox' : ''}`,
    ),
  ]);
  return [
    `The Microsoft 365 emulator listens on ${url}`,
    '',
    'Point Deskgraph at it:',
    `  MICROSOFT_GRAPH_URL=${graphUrl} MICROSOFT_LOGIN_URL=${loginUrl} npm start`,
    '',
    `Sign in:  ${loginUrl}/organizations/oauth2/v2.0/authorize  (any client id, no passwords)`,
    `Graph:    ${graphUrl}/v1.0/me`,
    `Control:  ${url}/_emulator  (see the README)`,
    '',
    'People:',
    ...people.slice(0, 60),
    '',
    'Send a mail into a mailbox:',
    `  curl -H 'content-type: message/rfc822' --data-binary @mail.eml '${url}/_emulator/mail?to=support@contoso.example'`,
    '',
  ].join('\n');
}

function readNumber(name: string, value: string | undefined, fallback: number, most: number): number {
  if (value === undefined || value === '') return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > most) {
    throw new Error(`${name} must be a whole number from 0 to ${most}, not "${value}".`);
  }
  return number;
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
