import type { CloudName } from './clouds.ts';

/** An account of an organization. */
export interface AccountReference {
  organizationId: string;
  accountId: string;
}

/** What lets us in at Graph. Opaque: never parse it, log it or store it unsealed. */
export interface AccessToken {
  value: string;
  expiresAt: Date;
  /** When Microsoft issued it to this process, a monotonic reading; null when another one fetched it, whenever that was. */
  issuedAt: number | null;
  cloud: CloudName;
  /** The app registration it was issued to: Microsoft's limits are per app and mailbox. */
  clientId: string;
  /** The tenant of the account it was issued for. */
  tenantId: string;
}

/** Where the Graph client gets its tokens. Every method throws `GraphError` when there is none to be had. */
export interface AccessTokens {
  /**
   * A token that lasts for another while. `rejected` is one that Graph refused: then another one is fetched, unless
   * somebody did so already.
   */
  get(account: AccountReference, signal: AbortSignal, rejected?: string): Promise<AccessToken>;
  /** A token fresh from Microsoft, whatever the account's status says: somebody wants to know whether it works again. */
  recheck(account: AccountReference, signal: AbortSignal): Promise<AccessToken>;
  /** Drops the token in memory, of all accounts when none is named: the account signed in anew, or was disconnected. */
  forget(account?: AccountReference): void;
  /** Graph refused a token that was fresh: a person has to sign in again, unless somebody did so meanwhile. */
  giveUp(account: AccountReference, refused: string, requestId: string | null): Promise<void>;
}
