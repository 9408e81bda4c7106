import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The Chromium of this machine: what `CHROMIUM_PATH` names, else the first on the PATH; null when there is none. */
export function findChromium(): string | null {
  const named = process.env['CHROMIUM_PATH'];
  if (named) return existsSync(named) ? named : null;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** Why browser tests do not run where they do not; for the name of the test, since reporters show that. */
export const NO_CHROMIUM = 'SKIPPED: no Chromium on this machine; install one or set CHROMIUM_PATH';

/**
 * Opens a page in a headless browser with a profile of its own, which reaches 127.0.0.1 and nothing else. Disposing of
 * it ends the browser with all its processes. The page must report by itself what it has seen.
 */
export async function openInChromium(path: string, url: string): Promise<AsyncDisposable> {
  const profile = await mkdtemp(join(tmpdir(), 'deskgraph-chromium-'));
  const browser = spawn(
    path,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--mute-audio',
      '--autoplay-policy=no-user-gesture-required',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--user-data-dir=${profile}`,
      url,
    ],
    { detached: true, stdio: 'ignore' },
  );
  const exited = once(browser, 'exit').catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      try {
        if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
