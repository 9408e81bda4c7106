/**
 * Microsoft's clouds, and everything that differs between them. App registrations and tokens of one are worth nothing in
 * another. `instanceName` is what the metadata of their tenants calls itself (`cloud_instance_name`).
 * https://learn.microsoft.com/graph/deployments, https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
 */
export const CLOUDS = {
  GLOBAL: {
    loginUrl: 'https://login.microsoftonline.com',
    graphUrl: 'https://graph.microsoft.com',
    instanceName: 'microsoftonline.com',
  },
  US_GOVERNMENT_GCC_HIGH: {
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://graph.microsoft.us',
    instanceName: 'microsoftonline.us',
  },
  US_GOVERNMENT_DOD: {
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://dod-graph.microsoft.us',
    instanceName: 'microsoftonline.us',
  },
  CHINA: {
    loginUrl: 'https://login.partner.microsoftonline.cn',
    graphUrl: 'https://microsoftgraph.chinacloudapi.cn',
    instanceName: 'partner.microsoftonline.cn',
  },
} as const;

export type CloudName = keyof typeof CLOUDS;

/** The names alone, for schemas. */
export const CLOUD_NAMES = Object.keys(CLOUDS) as CloudName[];
