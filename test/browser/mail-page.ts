import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../support/wait.ts';

/** How a mail gets into the page. `document`: it is part of the page's source. `innerHTML`: a script puts it there. */
export type Insertion = 'document' | 'innerHTML';

/** One mail to show. */
export interface ShownMail {
  html: string;
  insertion: Insertion;
}

/** What was seen while the mails were shown, by their index. */
export interface Sightings {
  /** Frames that came to their end with the page around the mail still whole. */
  shown: Set<number>;
  /** `ran`, `clobbered`, `covered`, `escaped`, `error`: what the page noticed. */
  seen: Map<number, Set<string>>;
  /** What was asked of the canary, links that a person follows left out. */
  remote: Map<number, Set<string>>;
}

/** A server that shows mails in a page that notices everything, and a canary that nobody may ask for anything. */
export interface MailPages extends AsyncDisposable {
  /** The page that shows all mails, one after the other, and presses everything in them. */
  url: string;
  /** The canary's address for one mail. */
  canaryFor(index: number): string;
  /**
   * Sets what is shown; the result comes when the page says that it has shown all of it. Throws after the deadline. Each mail is
   * waited for until it has loaded where `loads` says that all of them do; hostile ones may never.
   */
  show(
    mails: readonly ShownMail[],
    options: { loads: boolean; deadlineMilliseconds: number },
  ): Promise<Sightings>;
}

const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

/** Starts both servers on free ports of the loopback. */
export async function startMailPages(): Promise<MailPages> {
  let mails: readonly ShownMail[] = [];
  let sightings: Sightings = { shown: new Set(), seen: new Map(), remote: new Map() };
  let finished: () => void = () => undefined;
  let areLoading = false;

  const canary = await listen((request, response) => {
    const [, index = '', what = ''] = (request.url ?? '').split('/');
    if (!what.startsWith('link')) note(sightings.remote, Number(index), what);
    const [type, body] = answerOf(what, canary.url, index);
    response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*' }).end(body);
  });
  const pages = await listen((request, response) => {
    const url = new URL(request.url ?? '', 'http://127.0.0.1');
    const index = Number(url.searchParams.get('index'));
    const mail = mails[index];
    if (url.pathname === '/saw') {
      const what = url.searchParams.get('what') ?? '';
      if (what === 'shown') sightings.shown.add(index);
      else note(sightings.seen, index, what);
      response.writeHead(204).end();
    } else if (url.pathname === '/finished') {
      response.writeHead(204).end();
      finished();
    } else if (url.pathname === '/mail' && mail !== undefined) {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end(mailPage(mail, index, pages.url));
    } else if (url.pathname === '/') {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        .end(runnerPage(mails.length, areLoading));
    } else response.writeHead(404).end();
  });
  return {
    url: pages.url,
    canaryFor: (index) => `${canary.url}/${index}`,
    async show(given, { loads, deadlineMilliseconds }) {
      mails = given;
      areLoading = loads;
      sightings = { shown: new Set(), seen: new Map(), remote: new Map() };
      await new Promise<void>((resolve, reject) => {
        const deadline = setTimeout(
          () =>
            reject(
              new Error(`The page showed ${sightings.shown.size} of ${mails.length} mails, then nothing.`),
            ),
          deadlineMilliseconds,
        );
        finished = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
      // What a mail reports goes out after everything else that the page asks for, so it may come after "finished".
      if (loads) {
        const { shown } = sightings;
        const isWhole = eventually('every mail says that it was shown', () => shown.size === mails.length);
        await isWhole.catch(() => undefined); // how many did, the sightings tell
      }
      return sightings;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([pages, canary].map(({ server }) => close(server)));
    },
  };
}

function note(map: Map<number, Set<string>>, index: number, what: string): void {
  map.set(index, (map.get(index) ?? new Set()).add(what));
}

/** What comes from the canary goes on to do harm: a style sheet loads more, a script runs. */
function answerOf(what: string, canaryUrl: string, index: string): [type: string, body: string | Buffer] {
  if (what.endsWith('.css')) return ['text/css', `*{background:url(${canaryUrl}/${index}/from-css.png)}`];
  if (what.endsWith('.js')) return ['text/javascript', 'pwned()'];
  if (/^(?:frame|link|form|refresh)/.test(what)) return ['text/html', '<p>elsewhere</p>'];
  return ['image/gif', GIF];
}

/**
 * The page of one mail. What it uses is taken before the mail comes, so that the mail cannot put its own in the place.
 * There is no Content-Security-Policy: nothing but the mail's own harmlessness protects it.
 */
function mailPage({ html, insertion }: ShownMail, index: number, origin: string): string {
  const literal = JSON.stringify(html).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028');
  return `<!doctype html><html><head><meta charset="utf-8"><title>mail</title><script>
    (() => {
      const beacon = navigator.sendBeacon.bind(navigator);
      const find = document.querySelectorAll.bind(document);
      const own = { getElementById: document.getElementById, querySelector: document.querySelector };
      const saw = (what) => beacon('${origin}/saw?index=${index}&what=' + what);
      window.pwned = () => saw('ran');
      addEventListener('message', ({ data }) => data === 'pwned' && saw('ran'));
      addEventListener('error', ({ message }) => message && saw('error'));
      const attempt = (work) => { try { work(); } catch { saw('error'); } };
      const look = () => {
        const config = typeof window.config !== 'undefined';
        const changed = Object.keys(own).some((name) => document[name] !== own[name]);
        const body = !(document.body instanceof HTMLBodyElement) || !(document.forms instanceof HTMLCollection);
        if (config || changed || body || typeof document.cookie !== 'string') saw('clobbered');
        const after = [...find('#after')];
        const box = find('#mail')[0];
        if (after.length !== 1) saw(after.length > 1 ? 'clobbered' : 'escaped');
        else if (!box || box.nextElementSibling !== after[0] || after[0].textContent !== 'after the mail') saw('escaped');
        else {
          const { left, top, width, height } = after[0].getBoundingClientRect();
          const middle = document.elementFromPoint(left + width / 2, top + height / 2);
          if (width === 0 || (top < innerHeight && middle !== after[0])) saw('covered');
        }
        if (find('#outside').length > 0) saw('escaped');
        for (const element of find('#mail *')) {
          const { position } = getComputedStyle(element);
          if (position === 'fixed' || position === 'absolute') saw('covered');
        }
      };
      window.press = () => {
        look();
        const elements = [...find('#mail, #mail *')];
        for (const element of elements) {
          for (const type of ['mouseover', 'mouseenter', 'pointerenter', 'mousemove']) {
            attempt(() => element.dispatchEvent(new MouseEvent(type, { bubbles: type !== 'mouseenter' })));
          }
          attempt(() => element.focus && element.focus());
        }
        const pressed = elements.filter(({ tagName }) => /^(?:a|area|button|input|b|p|text)$/i.test(tagName));
        const leads = ({ href }) => typeof href === 'string' && href.startsWith('http');
        for (const element of [...pressed.filter((one) => !leads(one)), ...pressed.filter(leads)]) {
          attempt(() => element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, composed: true })));
        }
        saw('shown');
      };
    })();
  </script></head><body><div id="mail">${insertion === 'document' ? html : ''}</div><p id="after">after the mail</p>${
    insertion === 'innerHTML'
      ? `<script>document.querySelectorAll('#mail')[0].innerHTML = ${literal};</script>`
      : ''
  }</body></html>`;
}

/**
 * Shows every mail in a frame of its own origin, some at a time; each is pressed once it has loaded, then taken away. Where
 * not all of them load, none is waited for longer than three seconds.
 */
function runnerPage(count: number, loads: boolean): string {
  return `<!doctype html><meta charset="utf-8"><title>mails</title><body><script>
    const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    const show = async (index) => {
      const frame = document.createElement('iframe');
      frame.width = 800;
      frame.height = 600;
      frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-forms allow-popups allow-downloads');
      const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
      frame.src = '/mail?index=' + index;
      document.body.append(frame);
      await ${loads ? 'loaded' : 'Promise.race([loaded, wait(3000)])'};
      await wait(150);
      try { frame.contentWindow.press(); } catch {}
      await wait(250);
      frame.remove();
    };
    const line = Array.from({ length: ${count} }, (_, index) => index);
    const worker = async () => { for (let i; (i = line.shift()) !== undefined; ) await show(i); };
    Promise.all(Array.from({ length: 24 }, worker)).then(() => wait(500)).then(() => fetch('/finished'));
  </script></body>`;
}

async function listen(listener: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
