/*
 * What a sign-in is for, and the permissions that go with it. Permissions are asked for when they are needed and not
 * before (incremental consent): https://learn.microsoft.com/entra/identity-platform/consent-types-developer
 */

/** What somebody may sign in for. */
export const SIGN_IN_PURPOSES = [
  'MAIL',
  'SHARED_MAILBOXES',
  'SENDING',
  'SENDING_SHARED',
  'DIRECTORY',
] as const;
export type SignInPurpose = (typeof SIGN_IN_PURPOSES)[number];

/** Every delegated permission of Graph that a sign-in may ask for, and what for. */
export const PERMISSIONS_ASKED = {
  'User.Read': 'Reads who signed in: the address and name of the account.',
  'Mail.ReadWrite': 'Reads new mail and files it into a folder once it is part of a ticket.',
  'Mail.ReadWrite.Shared': 'The same for shared mailboxes that the account may open; only when asked for.',
  'Mail.Send': 'Sends replies and notifications from the own mailbox; only once something is to be sent.',
  'Mail.Send.Shared':
    'The same from shared mailboxes that the account may send as; only once something is to be sent from one.',
  'User.Read.All':
    'Reads the users of the tenant for directory sync; only when asked for, by an administrator.',
  'LicenseAssignment.Read.All':
    'Reads which licences the tenant has and uses, for directory sync; only when asked for, by an administrator.',
} as const;
type AskedPermission = keyof typeof PERMISSIONS_ASKED;

const BY_PURPOSE: Readonly<Record<SignInPurpose, readonly AskedPermission[]>> = {
  MAIL: ['User.Read', 'Mail.ReadWrite'],
  SHARED_MAILBOXES: ['User.Read', 'Mail.ReadWrite', 'Mail.ReadWrite.Shared'],
  SENDING: ['User.Read', 'Mail.ReadWrite', 'Mail.Send'],
  SENDING_SHARED: ['User.Read', 'Mail.ReadWrite', 'Mail.Send', 'Mail.ReadWrite.Shared', 'Mail.Send.Shared'],
  DIRECTORY: ['User.Read', 'User.Read.All', 'LicenseAssignment.Read.All'],
};

/**
 * What a sign-in for `purpose` asks for: its own permissions, and those of ours that the account has already, so that it
 * keeps them. Others that Microsoft lists for the app are not ours to ask for.
 */
export function permissionsFor(purpose: SignInPurpose, granted: readonly string[] = []): string[] {
  const kept = granted.filter((name) => Object.hasOwn(PERMISSIONS_ASKED, name));
  return [...new Set([...BY_PURPOSE[purpose], ...kept])];
}

/** What can be done without, so that mail goes on: first that which costs the least. */
const DISPENSABLE: readonly (readonly AskedPermission[])[] = [
  ['Mail.Send', 'Mail.Send.Shared'],
  ['User.Read.All', 'LicenseAssignment.Read.All'],
  ['Mail.ReadWrite.Shared', 'Mail.Send.Shared'],
];

/**
 * What to ask for when Microsoft no longer grants all of `granted`, one after another until it grants one: first without
 * sending, the directory or shared mailboxes, then without two of them, then for reading mail alone. Microsoft does not
 * tell which permission was taken back, and what was not shall be kept. Empty when nothing can be left out.
 */
export function fewerPermissions(granted: readonly string[]): string[][] {
  const [sending = [], directory = [], shared = []] = DISPENSABLE;
  const omissions = [
    [sending],
    [directory],
    [shared],
    [sending, directory],
    [sending, shared],
    [directory, shared],
    [sending, directory, shared],
  ];
  const choices = new Map<string, string[]>();
  for (const omitted of omissions) {
    const without = new Set<string>(omitted.flat());
    const kept = granted.filter((name) => !without.has(name));
    if (kept.length < granted.length && readsMail(kept)) choices.set(kept.join(' '), kept);
  }
  return [...choices.values()];
}

/** Whether a permission is asked for by every sign-in for mail, or only on demand. */
export function isAskedOnDemand(permission: string): boolean {
  return !BY_PURPOSE.MAIL.some((name) => name === permission);
}

/** Whether an account with these permissions may read mail: one that signed in for the directory alone may not. */
export function readsMail(granted: readonly string[]): boolean {
  return granted.some((name) => name.startsWith('Mail.Read'));
}
