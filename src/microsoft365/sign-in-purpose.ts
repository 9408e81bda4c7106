/*
 * What a sign-in is for, and the permissions that go with it. Permissions are asked for when they are needed and not
 * before (incremental consent): https://learn.microsoft.com/entra/identity-platform/consent-types-developer
 */

/** What somebody may sign in for. Sending joins with issue "Replies that leave". */
export const SIGN_IN_PURPOSES = ['MAIL', 'SHARED_MAILBOXES', 'DIRECTORY'] as const;
export type SignInPurpose = (typeof SIGN_IN_PURPOSES)[number];

/** Every delegated permission of Graph that a sign-in may ask for, and what for. */
export const PERMISSIONS_ASKED = {
  'User.Read': 'Reads who signed in: the address and name of the account.',
  'Mail.ReadWrite': 'Reads new mail and files it into a folder once it is part of a ticket.',
  'Mail.ReadWrite.Shared': 'The same for shared mailboxes that the account may open; only when asked for.',
  'User.Read.All':
    'Reads the users of the tenant for directory sync; only when asked for, by an administrator.',
  'LicenseAssignment.Read.All':
    'Reads which licences the tenant has and uses, for directory sync; only when asked for, by an administrator.',
} as const;
type AskedPermission = keyof typeof PERMISSIONS_ASKED;

const BY_PURPOSE: Readonly<Record<SignInPurpose, readonly AskedPermission[]>> = {
  MAIL: ['User.Read', 'Mail.ReadWrite'],
  SHARED_MAILBOXES: ['User.Read', 'Mail.ReadWrite', 'Mail.ReadWrite.Shared'],
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

/**
 * What is left to ask for when Microsoft no longer grants all of `granted`: first without the directory, then without shared
 * mailboxes, so that mail goes on when only those were taken back. Null when nothing can be left out.
 */
export function fewerPermissions(granted: readonly string[]): string[] | null {
  for (const purpose of ['SHARED_MAILBOXES', 'MAIL'] as const) {
    const kept = granted.filter((name) => BY_PURPOSE[purpose].some((own) => own === name));
    if (kept.length < granted.length && readsMail(kept)) return kept;
  }
  return null;
}

/** Whether a permission is asked for by every sign-in for mail, or only on demand. */
export function isAskedOnDemand(permission: string): boolean {
  return !BY_PURPOSE.MAIL.some((name) => name === permission);
}

/** Whether an account with these permissions may read mail: one that signed in for the directory alone may not. */
export function readsMail(granted: readonly string[]): boolean {
  return granted.some((name) => name.startsWith('Mail.'));
}
