import { PERMISSIONS_ASKED } from './sign-in.ts';

/** A delegated permission of Microsoft Graph that a sign-in asks for. */
export interface RequiredPermission {
  name: string;
  purpose: string;
  /** Whether it is asked for only on demand. */
  isOptional: boolean;
}

/** What an app registration needs in order to work with this server. */
export interface Microsoft365Setup {
  redirectUri: string;
  permissions: RequiredPermission[];
}

/** What to enter at Microsoft; the permissions are those that `startSignIn` asks for. */
export function describeSetup(redirectUri: string): Microsoft365Setup {
  return {
    redirectUri,
    permissions: Object.entries(PERMISSIONS_ASKED).map(([name, purpose]) => ({
      name,
      purpose,
      isOptional: name.endsWith('.Shared'),
    })),
  };
}
