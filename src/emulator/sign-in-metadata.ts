import { CLOUD_HOSTS, type CloudHosts, EMULATED_CLOUDS, type EmulatedCloud } from './cloud-hosts.ts';

/**
 * The OpenID provider document of a tenant; `issuer` of the shared paths holds a placeholder, as Microsoft's does. Every
 * address in it lies under Microsoft's own root, although the emulator serves them: MSAL keeps its real authority, and
 * only the transport beneath is redirected.
 */
export function openidConfiguration(segment: string, tenantId: string | null, cloud: EmulatedCloud) {
  const { login, graph, instance, region, subRegion }: CloudHosts = CLOUD_HOSTS[cloud];
  const root = `https://${login}/${segment}`;
  return {
    token_endpoint: `${root}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${root}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: `https://${login}/${tenantId ?? '{tenantid}'}/v2.0`,
    request_uri_parameter_supported: false,
    authorization_endpoint: `${root}/oauth2/v2.0/authorize`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${root}/oauth2/v2.0/logout`,
    claims_supported: [
      'sub',
      'iss',
      'aud',
      'exp',
      'iat',
      'nonce',
      'preferred_username',
      'name',
      'tid',
      'ver',
      'email',
    ],
    tenant_region_scope: tenantId === null ? null : region,
    ...(tenantId === null || subRegion === null ? {} : { tenant_region_sub_scope: subRegion }),
    cloud_instance_name: instance,
    cloud_graph_host_name: 'graph.windows.net',
    msgraph_host: graph,
    rbac_url: 'https://pas.windows.net',
  };
}

const OTHER_LOGIN_HOSTS = [...new Set(EMULATED_CLOUDS.map((cloud) => CLOUD_HOSTS[cloud].login))].filter(
  (host) => host !== CLOUD_HOSTS.GLOBAL.login,
);

/** The answer to instance discovery: which host names are one and the same cloud. */
export function instanceDiscovery(segment: string) {
  return {
    tenant_discovery_endpoint: `https://${CLOUD_HOSTS.GLOBAL.login}/${segment}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [
      {
        preferred_network: 'login.microsoftonline.com',
        preferred_cache: 'login.windows.net',
        aliases: ['login.microsoftonline.com', 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
      },
      ...OTHER_LOGIN_HOSTS.map((host) => ({
        preferred_network: host,
        preferred_cache: host,
        aliases: [host],
      })),
    ],
  };
}
