import type { SessionWatch } from '../access/session-watch.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { SetupChecks } from '../microsoft365/setup-checks.ts';
import type { SendLimits } from '../outbound/send-limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/database.ts';
import type { LinkSigner } from '../platform/link-signing.ts';
import type { Logger } from '../platform/logger.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import type { PushEnvironment } from '../sync/push-environment.ts';

/**
 * What resolvers and routes may use besides the database of their request. `app.ts` makes each of these once and hands
 * them in; a domain adds its own line here, with the type that its folder exports.
 */
export interface Services {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where browsers and Microsoft reach this server, without a trailing slash. */
  readonly publicUrl: string;
  /** Whether Microsoft can call this server, as far as the configuration tells. */
  readonly pushEnvironment: PushEnvironment;
  /** The tail of the event log, for `streamEvents`. */
  readonly events: EventBus;
  /** Where the contents of files lie. */
  readonly storages: ObjectStorages;
  /** Signs addresses that browsers ask for without a key. */
  readonly links: LinkSigner;
  /** Ends streams with the sessions they stand on. */
  readonly sessions: SessionWatch;
  readonly microsoft365: Microsoft365;
  /** Looks at what `microsoft365Setup` checks. */
  readonly setupChecks: SetupChecks;
  /** Mailboxes at Microsoft 365: `microsoft365.mail`. */
  readonly mail: MailApi;
  /** How much a mailbox may send. */
  readonly sendLimits: SendLimits;
}
