/*
 * Change notifications as the rest of Deskgraph knows them: a *subscription* makes Microsoft call a URL of ours when a
 * message appears in a folder. Graph's JSON stops behind `PushApi`.
 */
import type { MailboxAccess } from './mail.ts';

/** What a subscription is asked for with. */
export interface NewGraphSubscription {
  /** The folder whose new messages are announced. */
  folderId: string;
  /** Must answer Graph's validation while `create` waits. */
  notificationUrl: string;
  /** Cannot be added later. Must answer Graph's validation as well. */
  lifecycleNotificationUrl: string;
  /** A secret of at most 128 characters that comes back with every notification. */
  clientState: string;
  /** What Microsoft finds too long is asked for again with {@link SHORT_LIFE_MINUTES}. */
  expiresAt: Date;
}

/** A subscription as Microsoft holds it. The client state is never given back. */
export interface GraphSubscription {
  id: string;
  /** Such as `me/mailFolders('…')/messages`; how it is written may differ from what was asked for. */
  resource: string;
  notificationUrl: string;
  /** May be earlier or later than what was asked for. */
  expiresAt: Date;
}

/** The life that older documents of Microsoft allow at most; what a longer one falls back to. In minutes. */
export const SHORT_LIFE_MINUTES = 4_230;

/**
 * Subscriptions of the app in the context of an account. Every method throws `GraphError`, or the signal's reason.
 * https://learn.microsoft.com/graph/api/resources/subscription
 */
export interface PushApi {
  /**
   * Subscribes. Graph calls both URLs before it answers. Throws `GraphError` with `PUSH_VALIDATION_FAILED` (they did not
   * answer as they must), `PUSH_DUPLICATE` (there is one for the folder), `PUSH_QUOTA`, `PUSH_REFUSED`, or any other code.
   */
  create(
    mailbox: MailboxAccess,
    input: NewGraphSubscription,
    signal: AbortSignal,
  ): Promise<GraphSubscription>;
  /** Prolongs it, which also reauthorizes it. Throws `GraphError` with `SUBSCRIPTION_NOT_FOUND` when it is gone. */
  renew(
    mailbox: MailboxAccess,
    subscriptionId: string,
    expiresAt: Date,
    signal: AbortSignal,
  ): Promise<GraphSubscription>;
  /** Ends it; one that is gone already is no error. */
  remove(mailbox: MailboxAccess, subscriptionId: string, signal: AbortSignal): Promise<void>;
  /** The subscriptions that the app has in the account's context (a tenant's: all of them), whoever made them; at most 20,000. */
  list(mailbox: MailboxAccess, signal: AbortSignal): Promise<GraphSubscription[]>;
  /**
   * Makes a draft in a folder that nobody is told of but subscribers, and gives its id. Asked once: who does not get an
   * answer does not know whether it is there. Needs `Mail.ReadWrite`.
   */
  makeProbe(mailbox: MailboxAccess, folderId: string, signal: AbortSignal): Promise<string>;
  /** Removes such a draft for good; without an id every one that is found in the folder. One that is gone is no error. */
  removeProbe(
    mailbox: MailboxAccess,
    draft: { folderId: string; messageId: string | null },
    signal: AbortSignal,
  ): Promise<void>;
}
