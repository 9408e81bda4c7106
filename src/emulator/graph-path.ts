/** Stands for "the signed-in user" in rewritten paths; no user can have this name. */
export const ME = '@me';

/**
 * One spelling for the many that Graph accepts, so that every call has one route:
 * `name('id')` is `name/id`; `/me/…` is `/users/@me/…` for mail; a folder reached through its parents is the folder;
 * a message reached through its folder is the message.
 */
export function canonicalPath(pathname: string): string {
  const path = pathname
    .replace(/\/([A-Za-z]+)\('((?:[^']|%27%27|'')*)'\)/g, '/$1/$2')
    .replace(/\/(messages|users)\/delta\(\)/, '/$1/delta')
    .replace(/^\/(v1\.0|beta)\//, '/v1.0/')
    .replace(/^\/v1\.0\/me\/(mailFolders|messages|sendMail|getMailTips)(?=\/|$)/i, `/v1.0/users/${ME}/$1`);
  if (!path.startsWith('/v1.0/users/')) return path;
  return path
    .replace(/\/mailFolders\/(?:[^/]+\/childFolders\/)+(?=[^/$])/i, '/mailFolders/')
    .replace(/\/mailFolders\/[^/]+\/messages\/(?!delta(?:$|\/)|\$count)/i, '/messages/');
}

/** The id of the user whose upload session a path is of; undefined for all other paths. */
export function uploadUserOf(path: string): string | undefined {
  return /^\/api\/v2\.0\/Users\/([^/@]+)@[^/]+\/Messages\/[^/]+\/AttachmentSessions\//.exec(path)?.[1];
}

/** The name a request is counted under, such as `GET /users/{id}/mailFolders/{id}/messages/delta`. */
export function operationOf(method: string, path: string): string {
  const named = path
    .replace(/^\/v1\.0/, '')
    .replace(`/users/${ME}`, '/me')
    .replace(/^\/users\/(?!delta)[^/]+/, '/users/{id}')
    .replace(
      /\/(mailFolders|messages|attachments|subscriptions)\/(?!delta(?:$|\/)|\$count|createUploadSession)[^/]+/g,
      '/$1/{id}',
    )
    .replace(/^\/api\/v2\.0\/Users\/.*\/AttachmentSessions\/[^/]+$/, '/AttachmentSessions/{id}')
    .replace(/^\/[^/]+\/(oauth2\/)?(v2\.0)\//, '/{tenant}/$1$2/');
  return `${method} ${named}`;
}
