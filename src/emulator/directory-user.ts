import type { EmulatedCloud } from './cloud-hosts.ts';

/** A user, shared mailbox or guest of an emulated tenant. Shared mailboxes are users too, as in Entra ID. */
export interface DirectoryUser {
  id: string;
  displayName: string;
  givenName: string | null;
  surname: string | null;
  mail: string | null;
  userPrincipalName: string;
  /** `SMTP:` (capitals) marks the primary address, `smtp:` an alias. */
  proxyAddresses: string[];
  accountEnabled: boolean;
  /** May give admin consent for the whole tenant. */
  isAdmin: boolean;
  userType: 'Member' | 'Guest';
  /** `null`: no Exchange Online mailbox, every mail call answers 404 `MailboxNotEnabledForRESTAPI`. */
  mailbox: 'user' | 'shared' | null;
  /** Ids of the users who may open this mailbox (Full Access). */
  fullAccess: string[];
  /** Ids of the users who may send as this mailbox's address. */
  sendAs: string[];
  /** Ids of the users who may send on behalf of this mailbox's address. */
  sendOnBehalf?: string[];
}

/** What one app registration was granted in one tenant. */
export interface AppConsent {
  appId: string;
  /** Delegated permissions that an administrator granted for everybody. */
  adminScopes: string[];
  /** Application permissions (client credentials). */
  roles: string[];
  /** Delegated permissions that single users granted for themselves, by user id. */
  userScopes: Map<string, string[]>;
}

/** One Microsoft 365 organization. */
export interface Tenant {
  /** Directory (tenant) id, a GUID. */
  id: string;
  /** Its domain, which sign-in paths accept in place of the id. */
  domain: string;
  displayName: string;
  /** Which of Microsoft's clouds it belongs to. */
  cloud: EmulatedCloud;
  users: Map<string, DirectoryUser>;
  appConsents: Map<string, AppConsent>;
}
