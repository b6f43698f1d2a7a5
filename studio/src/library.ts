/** The search in the motion library: words in, clips out, one of them chosen. */

import { api, ApiError } from "./api";
import type { Clip } from "./api";
import { el } from "./dom";

const PAUSE = 500; // milliseconds of quiet before what is typed is searched

export class LibrarySearch {
  private chosen: string | null = null;
  choose: (clip: Clip) => void = () => {};
  private clips: Clip[] = [];
  private asked = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly words = el("input", {
    id: "library-words", type: "search", placeholder: "waves the left hand", "aria-label": "What people do", autocomplete: "off", maxlength: 400,
    oninput: () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.find(null), PAUSE);
    },
  });
  private readonly said = el("p", { role: "status" });
  private readonly list = el("ol", { class: "clips", "aria-label": "Clips of the library" });
  private readonly more = el("button", { type: "button", class: "quiet", id: "library-more", hidden: true, onclick: () => void this.find(this.clips.at(-1)?.id ?? null) }, "More");
  readonly element = el("details", { class: "library", ontoggle: () => { if (this.element.open && !this.asked) void this.find(null); } },
    el("summary", { id: "library" }, "From the library"),
    el("form", { role: "search", onsubmit: (event: SubmitEvent) => { event.preventDefault(); clearTimeout(this.timer); void this.find(null); } },
      this.words, el("button", { type: "submit" }, "Find")),
    this.said, this.list, this.more);

  /** Marks the clip that moves the person. */
  mark(clip: string | null): void {
    if (clip === this.chosen) return;
    this.chosen = clip;
    this.draw();
  }

  private async find(after: string | null): Promise<void> {
    const number = ++this.asked;
    const words = this.words.value.trim();
    this.said.className = "";
    this.said.textContent = words ? "Searching… the first search reads all captions." : "Reading…";
    try {
      const page = await api.library(words, after);
      if (number !== this.asked) return; // overtaken by a later one
      this.clips = after === null ? page.data : [...this.clips, ...page.data];
      this.more.hidden = !page.has_more;
      this.said.textContent = page.note ?? (this.clips.length ? "" : "Nothing fits.");
      this.draw();
    } catch (error) {
      if (number !== this.asked) return;
      this.said.className = "wrong";
      this.said.textContent = error instanceof ApiError ? error.message : String(error);
    }
  }

  private draw(): void {
    this.list.replaceChildren(...this.clips.map((clip, i) =>
      el("li", {}, el("button", { type: "button", class: "quiet", id: `clip-${i}`, title: clip.id, "aria-pressed": clip.id === this.chosen ? "true" : "false", onclick: () => this.choose(clip) },
        el("span", {}, clip.caption), el("small", {}, `${clip.seconds.toFixed(1)} s, ${clip.licence}${clip.mirrored ? ", mirrored" : ""}`)))));
  }
}
