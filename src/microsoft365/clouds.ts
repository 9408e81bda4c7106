/** Microsoft's clouds. App registrations and tokens of one are worth nothing in another. */
export const CLOUDS = {
  GLOBAL: { loginUrl: 'https://login.microsoftonline.com', graphUrl: 'https://graph.microsoft.com' },
  US_GOVERNMENT_GCC_HIGH: {
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://graph.microsoft.us',
  },
  US_GOVERNMENT_DOD: {
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://dod-graph.microsoft.us',
  },
  CHINA: {
    loginUrl: 'https://login.partner.microsoftonline.cn',
    graphUrl: 'https://microsoftgraph.chinacloudapi.cn',
  },
} as const;

export type CloudName = keyof typeof CLOUDS;

/** The names alone, for schemas. */
export const CLOUD_NAMES = Object.keys(CLOUDS) as CloudName[];
