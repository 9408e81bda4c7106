/** Who calls Graph, as the access token says. */
export interface Caller {
  tenantId: string;
  /** `null`: the application itself (client credentials). */
  userId: string | null;
  appId: string;
  /** Delegated permissions (`scp`). */
  scopes: string[];
  /** Application permissions (`roles`). */
  roles: string[];
}
