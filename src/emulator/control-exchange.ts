import { Hono } from 'hono';
import { z } from 'zod';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import type { DirectoryUser } from './directory-user.ts';
import { type AppAccess, appAccessKey } from './exchange.ts';
import { createMailbox } from './mailbox-folders.ts';
import { type EmulatorState, findTenant, findUserByAddress, setAddresses } from './state.ts';
import type { World } from './world.ts';

const address = z.string().max(320).toLowerCase();
const members = z.array(address).max(1_000);
const groupSchema = z.strictObject({
  address,
  displayName: z.string().min(1).max(200).optional(),
  /** How many people mail to it reaches. */
  members: z.int().min(0).max(100_000).default(2),
  /** Addresses of the users and mailboxes that may send as it. */
  sendAs: members.optional(),
  sendOnBehalf: members.optional(),
});
const accessSchema = z.strictObject({
  clientId: z.string().min(1).max(100),
  /** Id or domain of the tenant. */
  tenant: z.string().min(1).max(253),
  policy: z
    .strictObject({ accessRight: z.enum(['RestrictAccess', 'DenyAccess']), members })
    .nullable()
    .default(null),
  /** `members` left out: every mailbox of the tenant. */
  assignments: z
    .array(
      z.strictObject({
        roles: z.array(z.string()).min(1).max(20),
        members: members.nullable().default(null),
      }),
    )
    .max(20)
    .default([]),
});
const changeSchema = z.strictObject({
  fullAccess: members.optional(),
  sendAs: members.optional(),
  sendOnBehalf: members.optional(),
  displayName: z.string().min(1).max(256).optional(),
  /** All of them: `SMTP:` marks the primary address, which becomes the user's `mail`, `smtp:` an alias. */
  proxyAddresses: z
    .array(z.string().regex(/^(?:SMTP|smtp|SIP|sip|X500|x500):\S{1,320}$/))
    .max(300)
    .optional(),
  /** False: its licence is taken, and every mail call answers 404 until it is given back. */
  licensed: z.boolean().optional(),
  /** New names of well-known folders, as in a mailbox of another language. */
  folderNames: z.record(z.string(), z.string().min(1).max(255)).optional(),
});

/** What an administrator of Exchange does: groups, rights on mailboxes, policies and roles of apps. */
export function controlExchangeRoutes({ state }: World): Hono {
  const routes = new Hono();
  routes.onError(controlFaultResponse);

  routes.post('/groups', async (c) => {
    const input = await readControlBody(c, groupSchema);
    const tenant = findTenant(state, input.address.slice(input.address.indexOf('@') + 1));
    if (tenant === undefined)
      throw new ControlFault(404, 'notFound', 'No tenant has the domain of the group.');
    if (findUserByAddress(state, input.address) !== undefined || state.exchange.groups.has(input.address)) {
      throw new ControlFault(409, 'exists', `Somebody already has the address ${input.address}.`);
    }
    const group = {
      tenantId: tenant.id,
      displayName: input.displayName ?? input.address,
      members: input.members,
      sendAs: idsOf(state, input.sendAs ?? []),
      sendOnBehalf: idsOf(state, input.sendOnBehalf ?? []),
    };
    state.exchange.groups.set(input.address, group);
    return c.json({ address: input.address, ...group }, 201);
  });

  routes.put('/app-access', async (c) => {
    const input = await readControlBody(c, accessSchema);
    const tenant = findTenant(state, input.tenant);
    if (tenant === undefined) throw new ControlFault(404, 'notFound', `There is no tenant ${input.tenant}.`);
    const access: AppAccess = {
      policy: input.policy && {
        accessRight: input.policy.accessRight,
        members: idsOf(state, input.policy.members),
      },
      assignments: input.assignments.map((one) => ({
        roles: one.roles,
        members: one.members && idsOf(state, one.members),
      })),
    };
    state.exchange.appAccess.set(appAccessKey(tenant.id, input.clientId), access);
    return c.json(access);
  });

  routes.patch('/mailboxes/:address', async (c) => {
    const user = requireUser(state, c.req.param('address'));
    const input = await readControlBody(c, changeSchema);
    if (input.fullAccess !== undefined) user.fullAccess = idsOf(state, input.fullAccess);
    if (input.sendAs !== undefined) user.sendAs = idsOf(state, input.sendAs);
    if (input.sendOnBehalf !== undefined) user.sendOnBehalf = idsOf(state, input.sendOnBehalf);
    if (input.displayName !== undefined) user.displayName = input.displayName;
    if (input.proxyAddresses !== undefined) changeAddresses(state, user, input.proxyAddresses);
    if (input.licensed === false) user.mailbox = null;
    if (input.licensed === true) giveMailbox(state, user);
    const mailbox = state.mailboxes.get(user.id);
    for (const [name, displayName] of Object.entries(input.folderNames ?? {})) {
      const folder = mailbox?.folders.get(mailbox.wellKnown.get(name.toLowerCase()) ?? '');
      if (folder === undefined) throw new ControlFault(404, 'notFound', `There is no folder ${name}.`);
      folder.displayName = displayName;
    }
    return c.json({
      userId: user.id,
      fullAccess: user.fullAccess,
      sendAs: user.sendAs,
      sendOnBehalf: user.sendOnBehalf ?? [],
      displayName: user.displayName,
      proxyAddresses: user.proxyAddresses,
      mailbox: user.mailbox,
    });
  });
  return routes;
}

function changeAddresses(state: EmulatorState, user: DirectoryUser, proxyAddresses: string[]): void {
  const tenantId = state.addresses.get(user.userPrincipalName.toLowerCase())?.tenantId ?? '';
  const tenant = state.tenants.get(tenantId);
  if (tenant === undefined) throw new ControlFault(404, 'notFound', 'The tenant is gone.');
  for (const proxy of proxyAddresses) {
    const other = findUserByAddress(state, proxy.slice(proxy.indexOf(':') + 1));
    if (other !== undefined && other.id !== user.id) {
      throw new ControlFault(409, 'exists', `Somebody already has the address ${proxy}.`);
    }
  }
  setAddresses(state, tenant, user, proxyAddresses);
}

/** What was in it is there again: Exchange keeps a mailbox for a month after its licence went. */
function giveMailbox(state: EmulatorState, user: DirectoryUser): void {
  user.mailbox ??= user.accountEnabled ? 'user' : 'shared';
  const tenantId = state.addresses.get(user.userPrincipalName.toLowerCase())?.tenantId ?? '';
  if (!state.mailboxes.has(user.id)) state.mailboxes.set(user.id, createMailbox(tenantId, user.id));
}

function idsOf(state: EmulatorState, addresses: readonly string[]): string[] {
  return addresses.map((one) => requireUser(state, one).id);
}

function requireUser(state: EmulatorState, one: string): DirectoryUser {
  const user = findUserByAddress(state, one);
  if (user === undefined) throw new ControlFault(404, 'notFound', `Nobody has the address ${one}.`);
  return user;
}
