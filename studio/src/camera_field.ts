/** The camera in words: a field, how its words are understood, and what to say instead where they are not. */

import { api } from "./api";
import type { CameraReading } from "./api";
import type { SceneCamera } from "./document";
import { el } from "./dom";

const PAUSE = 350; // milliseconds of quiet before what is typed is read

export class CameraField {
  private reading: CameraReading | null = null;
  private asked = "";
  private keys = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly input = el("input", {
    id: "camera-text", type: "text", maxlength: 400, autocomplete: "off", "aria-describedby": "camera-said",
    oninput: () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.read(), PAUSE);
    },
    onchange: () => this.choose(this.input.value.trim() || "static"),
  });
  private readonly said = el("div", { id: "camera-said", class: "camera-said", role: "status" });
  readonly element = el("div", {}, el("label", { class: "field" }, el("span", {}, "In your own words"), this.input), this.said);

  constructor(
    private readonly onWords: (words: string) => void,
    private readonly onRemoveKeys: () => void,
  ) {}

  /** Shows a document's camera; what somebody is typing stays. */
  show(camera: SceneCamera): void {
    if (document.activeElement !== this.input) this.input.value = camera.text;
    this.keys = camera.keys.length;
    this.input.disabled = this.keys > 0;
    this.draw();
    void this.read();
  }

  private choose(words: string): void {
    clearTimeout(this.timer);
    this.onWords(words);
    void this.read();
  }

  /** Asks how the words are understood, once for the same words. */
  private async read(): Promise<void> {
    const words = this.input.value.trim();
    if (!words || words === this.asked) return;
    this.asked = words;
    try {
      const reading = await api.camera(words);
      if (words !== this.asked) return; // overtaken
      this.reading = reading;
      this.draw();
    } catch {
      if (words === this.asked) this.asked = ""; // the server is gone or busy: asked again later, the status line tells
    }
  }

  private draw(): void {
    const { reading } = this;
    if (this.keys) {
      this.said.replaceChildren(el("p", { class: "leads" }, `Keys lead: the camera goes through its ${this.keys === 1 ? "key" : `${this.keys} keys`}, not by these words. `,
        el("button", { type: "button", class: "link", id: "words-lead", onclick: () => this.onRemoveKeys() }, "Back to words")));
      return;
    }
    const wrong = reading?.text === this.input.value.trim() && reading.problem !== null;
    this.input.setAttribute("aria-invalid", String(wrong));
    if (reading === null || reading.text !== this.input.value.trim()) this.said.replaceChildren(el("small", {}, "Say what the camera does: “orbit around her to the left slowly”."));
    else if (wrong)
      this.said.replaceChildren(el("span", { class: "wrong" }, `${reading.problem}. Try:`), el("div", { class: "buttons" },
        ...reading.suggestions.map((words) => el("button", { type: "button", class: "quiet suggestion", onclick: () => { this.input.value = words; this.choose(words); } }, words))));
    else {
      const same = reading.camera === reading.text;
      this.said.replaceChildren(el("small", {}, [same ? "Understood." : `Understood as: ${reading.camera}.`, ...reading.notes.map((note) => `${note}.`)].join(" ")));
    }
  }
}
