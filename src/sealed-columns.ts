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
    worthless: 'used_at is not null or expires_at <= now()',
  },
  {
    table: 'push_subscription',
    column: 'sealed_client_state',
    purpose: 'push-subscription',
    // It vouches for announcements that are late by hours, and polling finds that mail as well.
    worthless: 'replaced_at is not null',
  },
  { table: 'outbound_file_upload', column: 'sealed_upload_url', purpose: 'outbound-file-upload' },
];
