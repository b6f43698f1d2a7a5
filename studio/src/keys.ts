/** One way through the page by keyboard: links that skip to its parts, and the list of keys. */

import { el } from "./dom";

const KEYS: [keys: string, does: string][] = [
  ["Space", "play or pause"],
  ["← →", "a frame back or on; with Shift a second"],
  ["Home, End", "begin, end"],
  ["B", "a block of words at the playhead"],
  ["Delete", "remove what is selected"],
  ["← → on a block or key", "move it in time; on a block with Alt: stretch it"],
  ["← → ↑ ↓ among takes", "from button to button, from take to take"],
  ["← → ↑ ↓ + − in the 3D view", "go round, come nearer"],
  ["F", "see everybody and the camera"],
  ["V", "the shot large, and back; also Esc"],
  ["Ctrl+Enter", "film a take"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["Ctrl+S", "save the scene to a file"],
  ["?", "this list"],
];

export class KeyList {
  private readonly dialog: HTMLDialogElement;

  constructor() {
    const close = el("button", { type: "button", class: "primary", onclick: () => this.dialog.close() }, "Close");
    const rows = KEYS.flatMap(([keys, does]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, does)]);
    this.dialog = el("dialog", { class: "keys", "aria-labelledby": "keys-title" },
      el("h2", { id: "keys-title" }, "Keys"), el("dl", {}, ...rows),
      el("p", { class: "hint" }, "Drag in 3D: rings and discs go along the floor; the camera too, and up and down with Shift."), close);
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  open(): void {
    document.body.append(this.dialog);
    if (!this.dialog.open) this.dialog.showModal();
  }
}

/** Links before everything else, seen while they have the focus; `targets` finds where each leads when it is used. */
export function skipLinks(host: HTMLElement, targets: [label: string, find: () => HTMLElement | null][]): void {
  for (const [label, find] of targets) {
    host.append(el("button", { type: "button", onclick: () => find()?.focus() }, label));
  }
}
