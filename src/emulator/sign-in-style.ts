import { createHash } from 'node:crypto';

/** The style sheet of the sign-in pages. Written here, not in a file, so that a page is one answer and works offline. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1a19; --soft: #605e5c; --paper: #fff; --back: #eef1f5; --line: #d2d0ce;
  --accent: #0f5fb5; --on-accent: #fff; --hover: #f1f5fa; --alarm: #a4262c; --alarm-back: #fdf3f4; }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f2f1; --soft: #b8b5b2; --paper: #232221; --back: #161514;
  --line: #484644; --accent: #6cb0f5; --on-accent: #10253b; --hover: #2d2c2b; --alarm: #ff9a9f; --alarm-back: #3a2224; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px; background: var(--back);
  color: var(--ink); font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { width: 100%; max-width: 460px; background: var(--paper); border-radius: 8px; padding: 32px;
  box-shadow: 0 2px 12px rgb(0 0 0 / 14%); overflow-wrap: anywhere; }
h1 { font-size: 1.45rem; line-height: 1.25; font-weight: 600; margin: 0 0 8px; }
p { margin: 0 0 16px; }
.brand { color: var(--soft); font-size: .85rem; margin: 0 0 20px; }
.soft { color: var(--soft); font-size: .9rem; }
.alert { border-left: 4px solid var(--alarm); background: var(--alarm-back); padding: 10px 14px; margin: 0 0 16px; }
ul { list-style: none; margin: 0 0 16px; padding: 0; }
.accounts { margin: 0 -12px 16px; }
.account { display: flex; gap: 14px; align-items: center; width: 100%; min-height: 60px; padding: 9px 12px; border: 0;
  border-radius: 6px; background: none; color: inherit; font: inherit; text-align: left; }
button.account { cursor: pointer; }
button.account:hover { background: var(--hover); }
.account .initials { flex: none; width: 40px; height: 40px; border-radius: 50%; display: grid; place-items: center;
  background: var(--accent); color: var(--on-accent); font-size: .9rem; font-weight: 600; }
.account .who { min-width: 0; }
.account .who span { display: block; }
.account.blocked { color: var(--soft); }
.blocked .initials { background: var(--line); color: var(--ink); }
.tag { border: 1px solid var(--line); border-radius: 10px; padding: 0 8px; font-size: .75rem; color: var(--soft);
  margin-left: 6px; white-space: nowrap; }
.permissions li { border-top: 1px solid var(--line); padding: 10px 0; }
.permissions li:last-child { border-bottom: 1px solid var(--line); }
.permissions strong, .permissions span { display: block; }
.choice { display: flex; gap: 10px; align-items: flex-start; margin: 0 0 16px; min-height: 24px; }
.choice input { width: 20px; height: 20px; margin: 2px 0 0; flex: none; }
.actions { display: flex; flex-wrap: wrap; gap: 10px; justify-content: flex-end; }
.actions button, .field button { min-height: 44px; min-width: 108px; padding: 0 20px; border: 1px solid var(--line); border-radius: 6px;
  background: none; color: inherit; font: inherit; cursor: pointer; }
.actions button:hover { background: var(--hover); }
button.main { background: var(--accent) !important; border-color: var(--accent) !important; color: var(--on-accent) !important; font-weight: 600 !important; }
.field { display: flex; flex-wrap: wrap; gap: 10px; margin: 0 0 16px; }
.field label { flex: 1 0 100%; }
.field input { flex: 1 1 200px; min-height: 44px; padding: 0 12px; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--soft); border-radius: 6px; }
a { color: var(--accent); }
.other { margin: 20px 0 0; } .other a { display: inline-block; padding: 4px 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
dl { margin: 0 0 16px; } dt { color: var(--soft); font-size: .85rem; } dd { margin: 0 0 8px; }
footer { border-top: 1px solid var(--line); margin-top: 24px; padding-top: 12px; }
footer p { margin: 0; }
@media (max-width: 480px) { body { padding: 0; place-items: start stretch; background: var(--paper); }
  main { box-shadow: none; border-radius: 0; padding: 24px 20px; } .actions button { flex: 1 1 0; } }
`;

/** Sends the form of a `response_mode=form_post` answer; the button does it where scripts are off. */
export const SUBMIT_SCRIPT = 'document.forms[0].submit()';

/**
 * The `Content-Security-Policy` of the pages: nothing but this style sheet and this script. There is no `form-action`,
 * since browsers apply it to the redirect after a form as well, and that goes to the app.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src '${hashSource(STYLE)}'`,
  `script-src '${hashSource(SUBMIT_SCRIPT)}'`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashSource(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
