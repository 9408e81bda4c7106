/*
 * Microsoft's clouds as the emulator plays them. A tenant belongs to one; requests for the hosts of the others come in
 * below `/_hosts/<host>`, and those for the global cloud there or at the root.
 */

/** A cloud, by what it calls itself in the metadata of its tenants. */
export interface CloudHosts {
  login: string;
  graph: string;
  /** `cloud_instance_name`. */
  instance: string;
  /** `tenant_region_scope` and `tenant_region_sub_scope`. */
  region: string | null;
  subRegion: string | null;
}

/** By the names the control API takes. */
export const CLOUD_HOSTS = {
  GLOBAL: {
    login: 'login.microsoftonline.com',
    graph: 'graph.microsoft.com',
    instance: 'microsoftonline.com',
    region: 'EU',
    subRegion: null,
  },
  US_GOVERNMENT_GCC_HIGH: {
    login: 'login.microsoftonline.us',
    graph: 'graph.microsoft.us',
    instance: 'microsoftonline.us',
    region: 'USGov',
    subRegion: 'DODCON',
  },
  US_GOVERNMENT_DOD: {
    login: 'login.microsoftonline.us',
    graph: 'dod-graph.microsoft.us',
    instance: 'microsoftonline.us',
    region: 'USGov',
    subRegion: 'DOD',
  },
  CHINA: {
    login: 'login.partner.microsoftonline.cn',
    graph: 'microsoftgraph.chinacloudapi.cn',
    instance: 'partner.microsoftonline.cn',
    region: 'AS',
    subRegion: null,
  },
} as const satisfies Record<string, CloudHosts>;

export type EmulatedCloud = keyof typeof CLOUD_HOSTS;

/** The names alone. */
export const EMULATED_CLOUDS = Object.keys(CLOUD_HOSTS) as EmulatedCloud[];

const BELOW_HOST = /^\/_hosts\/([a-z0-9.-]+)(?=\/)/;

/** The path as the host itself would see it. */
export function pathAtHost(pathname: string): string {
  return pathname.replace(BELOW_HOST, '');
}

/** The host a request was meant for; null at the root, where the global cloud's two hosts are one. */
export function hostOf(url: string): string | null {
  return BELOW_HOST.exec(new URL(url).pathname)?.[1] ?? null;
}

/** The sign-in host a request was meant for. */
export function loginHostOf(url: string): string {
  return hostOf(url) ?? CLOUD_HOSTS.GLOBAL.login;
}

/** Whether an address lies at the sign-in host of any cloud. */
export function isLoginAddress(address: string): boolean {
  return EMULATED_CLOUDS.some((name) => address.startsWith(`https://${CLOUD_HOSTS[name].login}/`));
}

/** Root of the Graph of a cloud, which is also the audience of its tokens. */
export function graphRootOf(cloud: EmulatedCloud): string {
  return `https://${CLOUD_HOSTS[cloud].graph}`;
}

/** A cloud whose sign-in host this is: the first of two that share one. */
export function cloudAt(loginHost: string): EmulatedCloud {
  return EMULATED_CLOUDS.find((name) => CLOUD_HOSTS[name].login === loginHost) ?? 'GLOBAL';
}
