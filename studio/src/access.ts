/** Asks the server, with its token where it wants one: asked for once, kept for this tab, sent in a header and nowhere else. */

import { el } from "./dom";

const KEPT = "kinema.token";
const SENDABLE = /^[\x21-\x7e]{1,512}$/;

let token = kept();
let asking: Promise<void> | null = null;

/** As `fetch`; an answer that wants a token is shown to nobody, the user is asked instead. */
export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  for (;;) {
    const sent = token;
    const headers = new Headers(options.headers);
    if (sent) headers.set("authorization", `Bearer ${sent}`);
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    if (sent === token) await (asking ??= enter(sent !== "").finally(() => (asking = null)));
  }
}

function kept(): string {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return ""; // no permission: asked for again after a reload
  }
}

/** The dialog; it stays until something is entered, for without a token the page can do nothing. */
function enter(wrong: boolean): Promise<void> {
  return new Promise((resolve) => {
    const input = el("input", { id: "token", type: "password", required: true, autocomplete: "off", "aria-describedby": "token-said", spellcheck: "false" });
    const said = el("p", { id: "token-said", class: wrong ? "wrong" : "", role: "status" },
      wrong ? "That is not this server's token." : "This server asks for its token: the one it was started with, in KINEMA_TOKEN.");
    const done = (event: Event): void => {
      event.preventDefault();
      if (!SENDABLE.test(input.value)) {
        said.className = "wrong";
        said.textContent = "A token is made of plain letters, digits and signs, without spaces.";
        return;
      }
      token = input.value;
      try {
        sessionStorage.setItem(KEPT, token);
      } catch {
        // it works until the next reload
      }
      dialog.remove();
      resolve();
    };
    const dialog = el("dialog", { class: "token", "aria-label": "The server's token", oncancel: (event: Event) => event.preventDefault(), onclose: () => dialog.isConnected && dialog.showModal() },
      el("form", { onsubmit: done }, el("h2", {}, "Token"), said, el("label", { class: "field" }, el("span", {}, "Token"), input), el("button", { type: "submit", class: "primary" }, "Go on")));
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** A picture or a video of the server as an address for an element: elements cannot send a header. */
const fetched = new Map<string, string>();

export async function media(path: string): Promise<string> {
  const known = fetched.get(path);
  if (known) return known;
  const response = await ask(path);
  if (!response.ok) throw new Error(`${response.status} at ${path}`);
  const address = URL.createObjectURL(await response.blob());
  fetched.set(path, address);
  return address;
}

/** Gives back what was fetched below a path. */
export function forget(path: string): void {
  for (const [key, address] of fetched) {
    if (!key.startsWith(path)) continue;
    URL.revokeObjectURL(address);
    fetched.delete(key);
  }
}

/** A picture of the server; hidden where there is none. */
export function picture(path: string, attributes: Record<string, string> = {}): HTMLImageElement {
  const image = el("img", { alt: "", ...attributes });
  const known = fetched.get(path);
  if (known) image.src = known;
  else media(path).then((address) => (image.src = address), () => (image.style.visibility = "hidden"));
  return image;
}
