import { createEmulatorClock, type EmulatorClock } from './clock.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';
import { createExchangeState, type ExchangeState } from './exchange.ts';
import type { Mailbox } from './mailbox.ts';
import { createMailbox } from './mailbox-folders.ts';
import { seedTenants } from './seed.ts';
import { createSendingState, type SendingState } from './sending-state.ts';
import { createSignInState, resetSignInState, type SignInState } from './sign-in-state.ts';
import type { StoredSubscription } from './subscription.ts';

/** Everything the emulator knows. Held in memory; `state-file.ts` can keep it across restarts. */
export interface EmulatorState {
  clock: EmulatorClock;
  /** By tenant id. */
  tenants: Map<string, Tenant>;
  /** By user id. */
  mailboxes: Map<string, Mailbox>;
  /** Who is behind an address or user principal name, in lower case. */
  addresses: Map<string, { tenantId: string; userId: string }>;
  /** Client secrets that are checked, by app id; an app without one here may use any. */
  appSecrets: Map<string, string>;
  signIn: SignInState;
  /** Groups, and what Exchange says of apps. */
  exchange: ExchangeState;
  /** Rules, limits, mail under way, and what was delivered. */
  sending: SendingState;
  /** Subscriptions to change notifications, by id, in order of creation. */
  subscriptions: Map<string, StoredSubscription>;
  /** Delta links issued before this log generation answer 410. */
  deltaGeneration: number;
}

/** A new state with the demo tenants, ready to use. */
export function createState(): EmulatorState {
  const state: EmulatorState = {
    clock: createEmulatorClock(),
    tenants: new Map(),
    mailboxes: new Map(),
    addresses: new Map(),
    appSecrets: new Map(),
    signIn: createSignInState(),
    exchange: createExchangeState(),
    sending: createSendingState(),
    subscriptions: new Map(),
    deltaGeneration: 0,
  };
  fillWithSeed(state);
  return state;
}

/** Back to the demo tenants: all mail, users, consents and secrets that were added are gone. */
export function resetState(state: EmulatorState): void {
  state.subscriptions.clear();
  state.clock.reset();
  state.tenants.clear();
  state.mailboxes.clear();
  state.addresses.clear();
  state.appSecrets.clear();
  resetSignInState(state.signIn);
  state.exchange = createExchangeState();
  state.sending = createSendingState();
  state.deltaGeneration += 1;
  fillWithSeed(state);
}

/** Adds a user to a tenant, with a mailbox when it has one, and makes all its addresses known. */
export function addUser(state: EmulatorState, tenant: Tenant, user: DirectoryUser): void {
  tenant.users.set(user.id, user);
  const owner = { tenantId: tenant.id, userId: user.id };
  for (const address of addressesOf(user)) state.addresses.set(address, owner);
  if (user.mailbox !== null) state.mailboxes.set(user.id, createMailbox(tenant.id, user.id));
}

/** Gives a user other addresses; the old ones are unknown from then on. Their primary address becomes their `mail`. */
export function setAddresses(
  state: EmulatorState,
  tenant: Tenant,
  user: DirectoryUser,
  proxyAddresses: string[],
): void {
  for (const address of addressesOf(user)) state.addresses.delete(address);
  user.proxyAddresses = proxyAddresses;
  const primary = proxyAddresses.find((proxy) => proxy.startsWith('SMTP:'));
  user.mail = primary === undefined ? null : primary.slice('SMTP:'.length);
  const owner = { tenantId: tenant.id, userId: user.id };
  for (const address of addressesOf(user)) state.addresses.set(address, owner);
}

/** Every address of a user, in lower case: principal name, `mail` and the SMTP proxy addresses. */
export function addressesOf(user: DirectoryUser): string[] {
  const proxies = user.proxyAddresses
    .filter((proxy) => /^smtp:/i.test(proxy))
    .map((proxy) => proxy.slice('smtp:'.length));
  return [...new Set([user.userPrincipalName, ...(user.mail === null ? [] : [user.mail]), ...proxies])].map(
    (address) => address.toLowerCase(),
  );
}

/** The tenant by id, or by one of its domains; undefined when there is none. */
export function findTenant(state: EmulatorState, idOrDomain: string): Tenant | undefined {
  const wanted = idOrDomain.toLowerCase();
  const byId = state.tenants.get(wanted);
  if (byId !== undefined) return byId;
  for (const tenant of state.tenants.values()) if (tenant.domain === wanted) return tenant;
  return undefined;
}

/** A user of this tenant by id, principal name or any address; undefined when there is none. */
export function findUser(
  state: EmulatorState,
  tenantId: string,
  idOrAddress: string,
): DirectoryUser | undefined {
  const tenant = state.tenants.get(tenantId);
  const wanted = idOrAddress.toLowerCase();
  const byId = tenant?.users.get(wanted);
  if (byId !== undefined) return byId;
  const owner = state.addresses.get(wanted);
  return owner?.tenantId === tenantId ? tenant?.users.get(owner.userId) : undefined;
}

/** The user of any tenant behind a mail address; undefined when the address is unknown here. */
export function findUserByAddress(state: EmulatorState, address: string): DirectoryUser | undefined {
  const owner = state.addresses.get(address.toLowerCase());
  return owner === undefined ? undefined : state.tenants.get(owner.tenantId)?.users.get(owner.userId);
}

function fillWithSeed(state: EmulatorState): void {
  for (const { tenant, users } of seedTenants()) {
    state.tenants.set(tenant.id, tenant);
    for (const user of users) addUser(state, tenant, user);
  }
}
