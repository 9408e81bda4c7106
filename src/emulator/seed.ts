import type { EmulatedCloud } from './cloud-hosts.ts';
import type { DirectoryUser, Tenant } from './directory-user.ts';

/** A tenant of the seed with the people in it. */
export interface SeedTenant {
  tenant: Tenant;
  users: DirectoryUser[];
}

/** The demo organizations: Contoso has the help desk, Fabrikam the customers. Ids are fixed so that examples stay true. */
export function seedTenants(): SeedTenant[] {
  return [contoso(), fabrikam()];
}

function contoso(): SeedTenant {
  const domain = 'contoso.example';
  const id = (last: number) => `00000000-c0a0-4000-8000-${String(last).padStart(12, '0')}`;
  const ada = userOf(id(1), 'Ada', 'Admin', `ada@${domain}`, { isAdmin: true });
  const sam = userOf(id(2), 'Sam', 'Support', `sam@${domain}`);
  const mia = userOf(id(3), 'Mia', 'Meyer', `mia@${domain}`);
  const noMailbox = userOf(id(4), 'Nora', 'Nomail', `nora@${domain}`, {
    mailbox: null,
    mail: null,
    proxyAddresses: [],
  });
  const support = sharedMailboxOf(id(10), 'Contoso Support', `support@${domain}`, {
    proxyAddresses: [`SMTP:support@${domain}`, `smtp:help@${domain}`],
    fullAccess: [ada.id, sam.id],
    sendAs: [ada.id, sam.id],
  });
  const sales = sharedMailboxOf(id(11), 'Contoso Sales', `sales@${domain}`, {
    fullAccess: [ada.id],
    sendAs: [ada.id],
  });
  return {
    tenant: newTenant('11111111-c0a0-4000-8000-000000000000', domain, 'Contoso'),
    users: [ada, sam, mia, noMailbox, support, sales],
  };
}

function fabrikam(): SeedTenant {
  const domain = 'fabrikam.example';
  const id = (last: number) => `00000000-fab0-4000-8000-${String(last).padStart(12, '0')}`;
  return {
    tenant: newTenant('22222222-fab0-4000-8000-000000000000', domain, 'Fabrikam'),
    users: [
      userOf(id(1), 'Carol', 'Customer', `carol@${domain}`, { isAdmin: true }),
      userOf(id(2), 'Dave', 'Dorn', `dave@${domain}`),
      userOf(id(3), 'Erin', 'Ebert', `erin@${domain}`),
      sharedMailboxOf(id(10), 'Fabrikam Helpdesk', `helpdesk@${domain}`, {
        fullAccess: [id(1)],
        sendAs: [id(1)],
      }),
    ],
  };
}

/** A tenant without users or consents. */
export function newTenant(
  id: string,
  domain: string,
  displayName: string,
  cloud: EmulatedCloud = 'GLOBAL',
): Tenant {
  return { id, domain, displayName, cloud, users: new Map(), appConsents: new Map() };
}

/** An ordinary user with a mailbox at the given address. */
export function userOf(
  id: string,
  givenName: string,
  surname: string,
  address: string,
  rest: Partial<DirectoryUser> = {},
): DirectoryUser {
  return {
    id,
    displayName: `${givenName} ${surname}`.trim(),
    givenName,
    surname,
    mail: address,
    userPrincipalName: address,
    proxyAddresses: [`SMTP:${address}`],
    accountEnabled: true,
    isAdmin: false,
    userType: 'Member',
    mailbox: 'user',
    fullAccess: [],
    sendAs: [],
    ...rest,
  };
}

/** A shared mailbox: a user whose sign-in is blocked, opened by those with Full Access. */
export function sharedMailboxOf(
  id: string,
  displayName: string,
  address: string,
  rest: Partial<DirectoryUser> = {},
): DirectoryUser {
  return {
    ...userOf(id, displayName, '', address),
    displayName,
    givenName: null,
    surname: null,
    accountEnabled: false,
    mailbox: 'shared',
    ...rest,
  };
}
