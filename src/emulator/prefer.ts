/** What a client asked for in its `Prefer` headers. */
export interface Preferences {
  immutableIds: boolean;
  bodyType: 'text' | 'html' | null;
  /** Items per page, or null when the client left it to the server. */
  maxPageSize: number | null;
  unsafeHtml: boolean;
  /** The value of `Preference-Applied`; empty when nothing was asked for that is known. */
  applied: string;
}

/** Graph never gives more than this on one page. */
export const MOST_ITEMS_PER_PAGE = 1000;

/** Reads `Prefer`; unknown preferences are ignored, as RFC 7240 demands. */
export function readPreferences(header: string | undefined): Preferences {
  const preferences: Preferences = {
    immutableIds: false,
    bodyType: null,
    maxPageSize: null,
    unsafeHtml: false,
    applied: '',
  };
  const applied: string[] = [];
  for (const part of (header ?? '').split(/[,;]/)) {
    const preference = part.trim();
    const [name = '', rawValue = ''] = preference.split('=');
    const value = rawValue.trim().replace(/^"|"$/g, '');
    if (applyPreference(preferences, name.trim().toLowerCase(), value)) applied.push(preference);
  }
  preferences.applied = applied.join(', ');
  return preferences;
}

function applyPreference(preferences: Preferences, name: string, value: string): boolean {
  if (name === 'idtype' && value.toLowerCase() === 'immutableid') {
    preferences.immutableIds = true;
    return true;
  }
  if (name === 'outlook.body-content-type' && (value === 'text' || value === 'html')) {
    preferences.bodyType = value;
    return true;
  }
  if (name === 'odata.maxpagesize' && /^[1-9]\d*$/.test(value)) {
    preferences.maxPageSize = Math.min(Number(value), MOST_ITEMS_PER_PAGE);
    return true;
  }
  if (name === 'outlook.allow-unsafe-html') {
    preferences.unsafeHtml = true;
    return true;
  }
  return false;
}
