// The one place that imports the types of every domain: each adds itself to the builder. A forgotten line fails a test.
import '../access/access.graphql.ts';
import '../mailboxes/mailbox-access.graphql.ts';
import '../mailboxes/mailboxes.graphql.ts';
import '../mailboxes/refresh-account.graphql.ts';
import '../microsoft365/accounts.subscriptions.graphql.ts';
import '../microsoft365/admin-consent.graphql.ts';
import '../microsoft365/credentials.graphql.ts';
import '../microsoft365/credentials.subscriptions.graphql.ts';
import '../microsoft365/integrations.graphql.ts';
import '../microsoft365/setup.graphql.ts';
import '../microsoft365/sign-in.graphql.ts';
import '../microsoft365/sign-in-attempt.graphql.ts';
import '../sync/delete-integration.graphql.ts';
import '../sync/disconnect-account.graphql.ts';
import '../sync/push.graphql.ts';
import '../sync/request-budget.graphql.ts';
import '../sync/reconciliation.graphql.ts';
import '../sync/sync.graphql.ts';
import '../ticketing/contacts.graphql.ts';
import '../ticketing/forwarded.graphql.ts';
import '../ticketing/inbound-messages.graphql.ts';
import '../ticketing/invitations.graphql.ts';
import '../ticketing/message-parts.graphql.ts';
import '../ticketing/messages.graphql.ts';
import '../ticketing/threads.graphql.ts';
import '../ticketing/tickets.graphql.ts';
import '../ticketing/tickets.subscriptions.graphql.ts';
import './errors.graphql.ts';
import './problem.graphql.ts';
import { builder } from './builder.ts';

/** The schema of the API. */
export const schema = builder.toSchema();
