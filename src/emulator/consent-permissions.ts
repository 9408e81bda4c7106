import { EMULATED_CLOUDS, graphRootOf } from './cloud-hosts.ts';
import { OAuthFault } from './oauth-fault.ts';
import type { UserConsentPolicy } from './sign-in-state.ts';

/** What the consent page says of one permission, and whether only an administrator may grant it. */
export interface Permission {
  readonly title: string;
  readonly description: string;
  readonly adminOnly: boolean;
}

const GRAPH_RESOURCES = [
  ...EMULATED_CLOUDS.map((cloud) => `${graphRootOf(cloud)}/`),
  '00000003-0000-0000-c000-000000000000/',
];

/** Scopes that are about signing in, and belong to no resource. */
export const OPENID_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'offline_access'];

/**
 * Words for the permissions a mail backend asks for, after Microsoft's permission reference
 * (https://learn.microsoft.com/graph/permissions-reference). One that is not here is shown by its name alone.
 */
const PERMISSIONS: ReadonlyMap<string, Permission> = new Map([
  permission('openid', 'Sign you in', 'Lets you sign in to the app with your work or school account.'),
  permission('profile', 'View your basic profile', 'Lets the app see your name and user name.'),
  permission('email', 'View your email address', 'Lets the app see your primary email address.'),
  permission(
    'offline_access',
    'Maintain access to data you have given it access to',
    'Lets the app keep this access when you are not using it.',
  ),
  permission('User.Read', 'Sign you in and read your profile', 'Lets the app read your profile.'),
  permission('Mail.ReadBasic', 'Read your basic mail', 'Lets the app read your mail, except for bodies.'),
  permission('Mail.Read', 'Read your mail', 'Lets the app read email in your mailbox.'),
  permission(
    'Mail.ReadWrite',
    'Read and write access to your mail',
    'Lets the app create, read, update and delete email in your mailbox. It cannot send mail.',
  ),
  permission('Mail.Send', 'Send mail as you', 'Lets the app send mail as you.'),
  permission(
    'Mail.Read.Shared',
    'Read mail you can access',
    'Lets the app read mail you can access, including shared mail.',
  ),
  permission(
    'Mail.ReadWrite.Shared',
    'Read and write mail you can access',
    'Lets the app create, read, update and delete mail you can access, including shared mail.',
  ),
  permission(
    'Mail.Send.Shared',
    'Send mail on behalf of others',
    'Lets the app send mail as you, and on behalf of others such as a shared mailbox.',
  ),
  permission(
    'MailboxSettings.Read',
    'Read your mailbox settings',
    'Lets the app read your mailbox settings.',
  ),
  permission(
    'MailboxSettings.ReadWrite',
    'Read and write your mailbox settings',
    'Lets the app read and change your mailbox settings.',
  ),
  permission(
    'User.ReadBasic.All',
    "Read all users' basic profiles",
    'Lets the app read names and addresses of everybody in your organization.',
  ),
  permission(
    'User.Read.All',
    "Read all users' full profiles",
    'Lets the app read the full profile of everybody in your organization.',
    'admin',
  ),
  permission(
    'Organization.Read.All',
    'Read organization information',
    'Lets the app read the organization and what it subscribes to.',
    'admin',
  ),
  permission(
    'LicenseAssignment.Read.All',
    'Read license assignments',
    'Lets the app read the licenses of the organization and its users.',
    'admin',
  ),
  permission(
    'Directory.Read.All',
    'Read directory data',
    'Lets the app read users, groups and apps of your organization.',
    'admin',
  ),
]);

/** What `https://graph.microsoft.com/.default` stands for when nothing narrower is configured for an app. */
export const DEFAULT_PERMISSIONS: readonly string[] = [
  'Mail.ReadWrite',
  'Mail.Send',
  'User.Read.All',
  'Organization.Read.All',
];

/**
 * What Microsoft's managed consent policy keeps from users; see "manage app consent policies" in the documentation of
 * Microsoft Entra ID. Sending mail is not among it.
 */
const NOT_BY_MANAGED_USERS =
  /^(?:Mail\.Read|MailboxSettings\.|MailboxFolder\.|MailboxItem\.Read|Calendars\.|Contacts\.|People\.|Tasks\.|Chat\.Read|OnlineMeetings\.|(?:Files|Sites)\.Read(?:Write)?\.All)/;

/** The words for a permission. Unknown names get their own name as title. */
export function describePermission(name: string): Permission {
  return (
    PERMISSIONS.get(name) ?? {
      title: name,
      description: 'The emulator has no description of this permission.',
      adminOnly: false,
    }
  );
}

/** Whether a user who is no administrator may grant a permission for themselves. */
export function mayUserGrant(name: string, policy: UserConsentPolicy): boolean {
  if (policy === false || describePermission(name).adminOnly) return false;
  return policy === true || !NOT_BY_MANAGED_USERS.test(name);
}

/** One scope of a request: the form in which it was written, and its name at Microsoft Graph. */
export interface RequestedScope {
  readonly written: string;
  readonly name: string;
}

/**
 * Reads the `scope` parameter. A Graph permission may be written short (`Mail.Read`) or with its resource
 * (`https://graph.microsoft.com/Mail.Read`), which names the same permission; `.default` keeps the name `.default`.
 *
 * @throws OAuthFault 900144 when nothing is asked, 28000 when another resource than Microsoft Graph is named, 650053
 * when a name cannot be that of a permission.
 */
export function readScopes(scope: string | undefined): readonly RequestedScope[] {
  const written = [...new Set((scope ?? '').split(/\s+/).filter((part) => part !== ''))];
  if (written.length === 0) {
    throw new OAuthFault(900144, "The request body must contain the following parameter: 'scope'.");
  }
  return written.map((one) => ({ written: one, name: permissionName(one) }));
}

function permissionName(written: string): string {
  const resource = GRAPH_RESOURCES.find((root) => written.toLowerCase().startsWith(root));
  // Microsoft's own samples write the resource with one or with two slashes before `.default`.
  const name = resource === undefined ? written : written.slice(resource.length).replace(/^\//, '');
  if (name.includes('/')) {
    throw new OAuthFault(
      28000,
      `Provided value for the input parameter scope is not valid because it contains more than one resource, or one that does not exist in this directory. Scope ${written} is not valid.`,
    );
  }
  if (OPENID_SCOPES.includes(name) || name === '.default') return name;
  const known = [...PERMISSIONS.keys()].find((candidate) => candidate.toLowerCase() === name.toLowerCase());
  if (known !== undefined) return known;
  if (/^[A-Z][A-Za-z]*(?:[.-][A-Za-z]+)+$/.test(name)) return name;
  throw new OAuthFault(
    650053,
    `The application asked for scope '${name}' that doesn't exist on the resource '00000003-0000-0000-c000-000000000000'. Contact the app vendor.`,
  );
}

function permission(
  name: string,
  title: string,
  description: string,
  grantedBy: 'admin' | 'user' = 'user',
): readonly [string, Permission] {
  return [name, { title, description, adminOnly: grantedBy === 'admin' }];
}
