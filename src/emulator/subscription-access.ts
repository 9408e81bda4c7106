import type { Caller } from './caller.ts';
import type { DirectoryUser } from './directory-user.ts';
import { applicationMay } from './exchange.ts';
import { GraphFault } from './graph-fault.ts';
import { ME } from './graph-path.ts';
import { mayUse } from './mail-access.ts';
import type { Mailbox } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { type EmulatorState, findUser } from './state.ts';
import type { StoredSubscription } from './subscription.ts';
import { readResource } from './subscription-input.ts';

/** What shared mailboxes do for delegated apps: both have been seen at Microsoft. */
export type SharedMailboxAnswer = 'refuse' | 'silent';

/** What a resource string leads to. */
export interface SubscribedResource {
  mailbox: Mailbox;
  folderId: string | null;
  /** Accepted, but nothing will ever be delivered. */
  isSilent: boolean;
}

/** The permissions that allow a subscription, in lower case. `.Shared` ones never do. */
const PERMISSIONS: readonly string[] = ['mail.read', 'mail.readwrite'];
const DELEGATED_PERMISSIONS: readonly string[] = [...PERMISSIONS, 'mail.readbasic'];

/**
 * The mailbox and folder that a caller may subscribe to: as an application any of its tenant, as a person the own one
 * only; see learn.microsoft.com/graph/outlook-change-notifications-overview.
 * Throws 400 for a resource of another kind, 403 or 404 `ExtensionError` for what the caller may not have or is not there.
 */
export function subscribedResource(
  state: EmulatorState,
  caller: Caller,
  resource: string,
  sharedMailboxes: SharedMailboxAnswer,
): SubscribedResource {
  const { user, folder } = readResource(resource);
  if (user === ME && caller.userId === null) {
    throw new GraphFault(400, 'BadRequest', '/me request is only valid with delegated authentication flow.');
  }
  const owner = findUser(state, caller.tenantId, user === ME ? (caller.userId ?? '') : user);
  const mailbox = owner === undefined ? undefined : state.mailboxes.get(owner.id);
  if (owner === undefined || mailbox === undefined) throw extensionError(404, 'NotFound', 'Not Found');
  const isSilent = maySubscribe(state, caller, owner, sharedMailboxes) === 'silent';
  return { mailbox, folderId: folder === null ? null : folderIdOf(mailbox, folder), isSilent };
}

/** Whether this caller sees a subscription at all: the same app, in the same tenant, for the same person. */
export function isOwn(caller: Caller, subscription: StoredSubscription): boolean {
  return (
    subscription.tenantId === caller.tenantId &&
    subscription.applicationId === caller.appId &&
    subscription.creatorUserId === caller.userId
  );
}

/** An error of the kind that Outlook's part of the subscription service answers with. */
export function extensionError(status: number, name: string, reason: string): GraphFault {
  const message = `Operation: Create; Exception: [Status Code: ${name}; Reason: ${reason}]`;
  return new GraphFault(status, 'ExtensionError', message);
}

function maySubscribe(
  { exchange }: EmulatorState,
  caller: Caller,
  owner: DirectoryUser,
  sharedMailboxes: SharedMailboxAnswer,
): 'served' | 'silent' {
  const holds = (permissions: readonly string[], held: readonly string[]): boolean =>
    held.some((name) => permissions.includes(name.toLowerCase()));
  const isServed =
    caller.userId === null
      ? applicationMay(exchange, caller, owner, PERMISSIONS) === 'YES'
      : caller.userId === owner.id && holds(DELEGATED_PERMISSIONS, caller.scopes);
  if (isServed) return 'served';
  const isShared =
    caller.userId !== null && caller.userId !== owner.id && mayUse(exchange, caller, owner, 'read');
  if (isShared && sharedMailboxes === 'silent') return 'silent';
  throw extensionError(403, 'Forbidden', 'Access to the requested resource is denied.');
}

function folderIdOf(mailbox: Mailbox, folder: string): string {
  try {
    return folderOf(mailbox, folder).id;
  } catch {
    throw extensionError(404, 'NotFound', 'The specified folder was not found in the store.');
  }
}
