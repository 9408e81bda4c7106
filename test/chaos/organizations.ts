import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { control, createDesk, type Desk } from '../support/app.ts';
import { inheritedEnvironment } from '../support/inherited-environment.ts';
import { ADMIN_KEY, type Fleet } from './fleet.ts';
import { POLLING_MINUTES, type StagedMailbox } from './stage.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A mailbox that takes mail in. */
export interface ReadyMailbox extends StagedMailbox {
  address: string;
  /** Its global id in the API. */
  id: string;
}

/** An organization that works. */
export interface ReadyOrganization {
  desk: Desk;
  organizationId: string;
}

/** Everything that the run is about. */
export interface Stage {
  organizations: Record<'A' | 'B', ReadyOrganization>;
  mailboxes: ReadyMailbox[];
}

/** Makes both organizations, connects their mailboxes and lets them take mail in; waits until each has run once. */
export async function setUp(fleet: Fleet, mailboxes: readonly StagedMailbox[]): Promise<Stage> {
  const url = fleet.members[0]?.url ?? '';
  const organizationOf = async (apiKey: string): Promise<ReadyOrganization> => {
    const asked = createDesk(url, fleet.emulator, '', apiKey);
    const { organization } = await asked.request<{ organization: { id: string } }>('{ organization { id } }');
    const organizationId = uuidOf(organization.id);
    const desk = createDesk(url, fleet.emulator, organizationId, apiKey);
    await desk.withoutStormLimits();
    return { organizationId, desk };
  };
  const organizations = {
    A: await organizationOf(ADMIN_KEY),
    B: await organizationOf(await createOrganization(fleet.env)),
  };
  const ready = mailboxes.map((staged) =>
    setUpMailbox(fleet.emulator.url, organizations[staged.organization].desk, staged),
  );
  return { organizations, mailboxes: await Promise.all(ready) };
}

/** The UUID inside of a global id. */
export function uuidOf(globalId: string): string {
  const decoded = Buffer.from(globalId, 'base64url').toString('utf8');
  const pattern = /[0-9a-f]{8}-[0-9a-f-]{27}/;
  return pattern.exec(decoded)?.[0] ?? pattern.exec(globalId)?.[0] ?? globalId;
}

async function setUpMailbox(emulatorUrl: string, desk: Desk, staged: StagedMailbox): Promise<ReadyMailbox> {
  const { address, mailboxId } = await desk.connectMailbox(`${staged.name}@contoso.example`);
  if (!staged.isPushed) {
    await control(emulatorUrl, 'faults', {
      status: 403,
      errorCode: 'ExtensionError',
      caller: address,
      method: 'POST',
      pathPattern: '/subscriptions$',
    });
  }
  await desk.enable(mailboxId, {
    intervalMinutes: `MINUTES_${POLLING_MINUTES}`,
    ...(staged.isArchived
      ? { afterProcessing: 'ARCHIVE', archiveFolderId: await createFolder(desk, mailboxId) }
      : {}),
  });
  return { ...staged, address, id: mailboxId };
}

async function createFolder(desk: Desk, mailboxId: string): Promise<string> {
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($id: ID!) { createMailFolder(input: { mailboxId: $id }) {
       ... on CreateMailFolderPayload { folder { id } } } }`,
    { id: mailboxId },
  );
  return createMailFolder.folder.id;
}

/** As an operator makes one beside running servers. Gives the owner's key. */
async function createOrganization(env: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['src/main.ts', 'organization', 'create', 'Organization B'],
    { cwd: ROOT, env: { ...inheritedEnvironment(), ...env }, timeout: 60_000 },
  );
  const key = /dg_[\w-]{20,}/.exec(stdout)?.[0];
  if (!key) throw new Error(`No key was printed: ${stdout}`);
  return key;
}
