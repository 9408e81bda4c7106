import type { SealedColumn } from './platform/sealed-values.ts';

/**
 * Every column of sealed values, listed: what is not here is not sealed anew when keys change, and is lost with the old
 * key. A test compares the list with the columns named `sealed_…`. The purpose is the context that its module seals for.
 */
export const sealedColumns: readonly SealedColumn[] = [
  { table: 'integration', column: 'sealed_client_secret', purpose: 'integration' },
  { table: 'integration', column: 'sealed_private_key', purpose: 'integration' },
  { table: 'account', column: 'sealed_token_cache', purpose: 'account' },
  {
    table: 'sign_in_attempt',
    column: 'sealed_secrets',
    purpose: 'sign-in',
    // The row stays for a day, to tell what became of it.
    worthlessFrom: ['used_at', 'expires_at'],
  },
  {
    table: 'push_subscription',
    column: 'sealed_client_state',
    purpose: 'push-subscription',
    // It vouches for announcements that are late by hours, and polling finds that mail as well.
    worthlessFrom: ['replaced_at'],
  },
  { table: 'outbound_file_upload', column: 'sealed_upload_url', purpose: 'outbound-file-upload' },
];
