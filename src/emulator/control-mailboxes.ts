import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import { graphDateTime } from './clock.ts';
import { EMULATED_CLOUDS } from './cloud-hosts.ts';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';
import type { Folder, Mailbox } from './mailbox.ts';
import { personalTenantOf } from './personal-accounts.ts';
import { noQuirks, type Quirks, quirksSchema } from './quirks.ts';
import { newTenant, sharedMailboxOf, userOf } from './seed.ts';
import { addUser, type EmulatorState, findTenant, findUserByAddress } from './state.ts';
import type { World } from './world.ts';

/** A folder shows this many of its newest messages unless `?top=` says otherwise. */
const MESSAGES_PER_FOLDER = 1_000;

const addressSchema = z
  .string()
  .max(320)
  .regex(/^[^@\s]+@[^@\s]+$/, { error: 'must be an address' })
  .toLowerCase();
const tenantSchema = z.strictObject({
  domain: z
    .string()
    .regex(/^[a-z0-9.-]+$/i)
    .toLowerCase(),
  displayName: z.string().min(1).max(200).optional(),
  id: z.uuid().toLowerCase().optional(),
  cloud: z.enum(EMULATED_CLOUDS).default('GLOBAL'),
});
const mailboxSchema = z.strictObject({
  address: addressSchema,
  displayName: z.string().min(1).max(200).optional(),
  /** `none`: a user without a mailbox. */
  kind: z.enum(['user', 'shared', 'none']).default('user'),
  isAdmin: z.boolean().default(false),
  aliases: z.array(addressSchema).max(50).default([]),
  /** Addresses of the users who may open it. */
  fullAccess: z.array(addressSchema).max(1000).default([]),
  /** Addresses of the users who may send as it; those with full access when left out. */
  sendAs: z.array(addressSchema).max(1000).optional(),
});

/** Tenants and mailboxes of the control API: add them, and look into a mailbox. */
export function controlMailboxRoutes(world: World): Hono {
  const { state } = world;
  const routes = new Hono();
  routes.onError(controlFaultResponse);

  routes.get('/tenants', (c) => c.json([...state.tenants.values()].map(tenantJson)));
  routes.post('/tenants', async (c) => {
    const { domain, displayName, id, cloud } = await readControlBody(c, tenantSchema);
    if (findTenant(state, domain) !== undefined || (id !== undefined && state.tenants.has(id))) {
      throw new ControlFault(409, 'exists', `There already is a tenant ${domain}.`);
    }
    const tenant = newTenant(id ?? randomUUID(), domain, displayName ?? domain, cloud);
    state.tenants.set(tenant.id, tenant);
    return c.json(tenantJson(tenant), 201);
  });
  routes.post('/mailboxes', async (c) => {
    const input = await readControlBody(c, mailboxSchema);
    const domain = input.address.slice(input.address.indexOf('@') + 1);
    const tenant = findTenant(state, domain) ?? personalTenantOf(state, domain);
    if (tenant === undefined) {
      throw new ControlFault(
        404,
        'notFound',
        `No tenant has the domain of ${input.address}; add one with POST /_emulator/tenants.`,
      );
    }
    for (const address of [input.address, ...input.aliases]) {
      if (findUserByAddress(state, address) !== undefined) {
        throw new ControlFault(409, 'exists', `Somebody already has the address ${address}.`);
      }
    }
    const user = newUser(state, input);
    addUser(state, tenant, user);
    return c.json({ userId: user.id, tenantId: tenant.id, address: input.address }, 201);
  });
  routes.get('/mailboxes/:address', (c) => {
    const top = Number(c.req.query('top') ?? MESSAGES_PER_FOLDER);
    if (!Number.isInteger(top) || top < 0)
      throw new ControlFault(400, 'badRequest', 'top must be a whole number.');
    return c.json(mailboxJson(state, c.req.param('address'), top));
  });
  routes.put('/mailboxes/:address/quirks', async (c) => {
    const { user, mailbox } = requireMailbox(state, c.req.param('address'));
    const { corruptMessages = [], oddMessages = {}, ...input } = await readControlBody(c, quirksSchema);
    const immutable = (id: string) => mailbox.currentIds.get(id) ?? id;
    const ids = corruptMessages.map(immutable);
    const odd = new Map(Object.entries(oddMessages).map(([id, answer]) => [immutable(id), answer]));
    const unknown = [...ids, ...odd.keys()].find((id) => !mailbox.messages.has(id));
    if (unknown !== undefined) throw new ControlFault(404, 'notFound', `There is no message ${unknown}.`);
    const none = noQuirks();
    const quirks: Quirks = {
      corruptMessages: new Set(ids),
      repeatedLinks: input.repeatedLinks ?? none.repeatedLinks,
      emptyPages: input.emptyPages ?? none.emptyPages,
      partialUpdates: input.partialUpdates ?? none.partialUpdates,
      deltaLagMs: input.deltaLagMs ?? none.deltaLagMs,
      oddMessages: odd,
    };
    world.quirks.set(user.id, quirks);
    return c.json({ ...quirks, corruptMessages: ids, oddMessages: Object.fromEntries(odd) });
  });
  return routes;
}

function newUser(state: EmulatorState, input: z.infer<typeof mailboxSchema>): DirectoryUser {
  const idsOf = (addresses: readonly string[]) =>
    addresses.map((address) => {
      const user = findUserByAddress(state, address);
      if (user === undefined) throw new ControlFault(404, 'notFound', `Nobody has the address ${address}.`);
      return user.id;
    });
  const rest = {
    proxyAddresses: [`SMTP:${input.address}`, ...input.aliases.map((alias) => `smtp:${alias}`)],
    isAdmin: input.isAdmin,
    fullAccess: idsOf(input.fullAccess),
    sendAs: idsOf(input.sendAs ?? input.fullAccess),
  };
  const name = input.displayName ?? input.address.slice(0, input.address.indexOf('@'));
  const [givenName = name, ...surnames] = name.split(' ');
  if (input.kind === 'shared') return sharedMailboxOf(randomUUID(), name, input.address, rest);
  const user = userOf(randomUUID(), givenName, surnames.join(' '), input.address, rest);
  return input.kind === 'none' ? { ...user, mailbox: null, mail: null, proxyAddresses: [] } : user;
}

function tenantJson(tenant: Tenant) {
  const users = [...tenant.users.values()].map(
    ({ id, displayName, userPrincipalName, mailbox, isAdmin }) => ({
      id,
      displayName,
      userPrincipalName,
      mailbox,
      isAdmin,
    }),
  );
  return { id: tenant.id, domain: tenant.domain, displayName: tenant.displayName, users };
}

function mailboxJson(state: EmulatorState, address: string, top: number) {
  const { user, mailbox } = requireMailbox(state, address);
  return {
    userId: user.id,
    tenantId: mailbox.tenantId,
    address: user.mail,
    totalMessages: mailbox.messages.size,
    folders: [...mailbox.folders.values()].map((folder) => folderJson(folder, top)),
  };
}

function requireMailbox(state: EmulatorState, address: string): { user: DirectoryUser; mailbox: Mailbox } {
  const user = findUserByAddress(state, address);
  const mailbox = user === undefined ? undefined : state.mailboxes.get(user.id);
  if (user !== undefined && mailbox !== undefined) return { user, mailbox };
  throw new ControlFault(404, 'notFound', `There is no mailbox for ${address}.`);
}

function folderJson(folder: Folder, top: number) {
  const shown = top === 0 ? [] : folder.messages.slice(-top).reverse();
  return {
    id: folder.id,
    displayName: folder.displayName,
    wellKnownName: folder.wellKnownName,
    parentFolderId: folder.parentFolderId,
    totalItemCount: folder.messages.length,
    unreadItemCount: folder.unreadItemCount,
    messages: shown.map((message) => ({
      id: message.id,
      immutableId: message.immutableId,
      internetMessageId: message.internetMessageId,
      subject: message.subject,
      from: message.from?.address ?? null,
      folder: folder.wellKnownName ?? folder.displayName,
      received: graphDateTime(message.receivedAt),
      isRead: message.isRead,
      attachments: message.attachments.length,
    })),
  };
}
