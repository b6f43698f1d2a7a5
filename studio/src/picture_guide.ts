/** Before a picture of one's own is uploaded: which pictures go well, drawn; after it: what the check says. */

import { api, ApiError } from "./api";
import { saidOf } from "./document";
import type { Look } from "./document";
import { el, svg } from "./dom";
import { inThePage, VERDICTS } from "./draft";
import "./picture_guide.css";

const ACCEPTED = "image/png,image/jpeg,image/webp";
const LEAST_SIDE = 64; // pixels (ours): nobody is seen in less

const head = (x: number, y: number, r = 5): SVGElement => svg("circle", { cx: x, cy: y, r, class: "skin" });
const limb = (d: string, kind = "cloth"): SVGElement => svg("path", { d, class: `limb ${kind}` });
const trunk = (d: string): SVGElement => svg("path", { d, class: "trunk" });
const standing = (x: number): SVGElement[] => [
  limb(`M${x - 4} 24 L${x - 11} 41`), limb(`M${x + 4} 24 L${x + 11} 41`), limb(`M${x - 3} 42 L${x - 6} 68`, "leg"), limb(`M${x + 3} 42 L${x + 6} 68`, "leg"),
  trunk(`M${x - 6} 21 h12 l-1.5 23 h-9 z`), head(x, 14),
];

const EXAMPLES: [good: boolean, words: string, drawing: () => SVGElement[]][] = [
  [true, "The whole body, from the front", () => standing(30)],
  [true, "Arms and legs apart", () => [limb("M26 24 L14 34 L10 26"), limb("M34 24 L46 34 L50 26"), limb("M27 42 L18 68", "leg"), limb("M33 42 L42 68", "leg"), trunk("M24 21 h12 l-1.5 23 h-9 z"), head(30, 14)]],
  [false, "Head and shoulders alone", () => [trunk("M4 80 q2 -28 26 -28 q24 0 26 28 z"), head(30, 34, 17)]],
  [false, "Seen from the side or the back", () => [limb("M30 42 L34 68", "leg"), limb("M29 42 L24 67", "leg"), trunk("M27 21 h7 l0 23 h-7 z"), limb("M31 25 L33 42", "sleeve"), head(31, 14), svg("path", { d: "M36 13 l3 2 l-3 1 z", class: "skin" })]],
  [false, "Sitting, or arms and legs hidden", () => [svg("path", { d: "M14 46 h30 v24 M16 46 v24", class: "thing" }), limb("M28 45 L42 46 L42 66", "leg"), trunk("M23 23 h11 l-1 23 h-9 z"), limb("M30 27 L36 40 L30 42", "sleeve"), head(29, 16)]],
  [false, "Others in front", () => [...standing(24), svg("g", { class: "other" }, ...standing(36))]],
];

/** The dialog before the upload. */
export class PictureGuide {
  private done: (picture: string) => void = () => {};
  private readonly said = el("p", { role: "alert" });
  private readonly input = el("input", { type: "file", accept: ACCEPTED, hidden: true, "aria-label": "A picture of your own", onchange: () => void this.take() });
  private readonly button = el("button", { type: "button", class: "primary", id: "choose-picture", onclick: () => this.input.click() }, "Choose a picture…");
  private readonly dialog = el("dialog", { class: "guide", "aria-label": "A picture of your own" },
    el("h2", {}, "A picture of your own"),
    el("p", {}, "Best is one person who stands, seen whole and from the front, before something plain: photographs, paintings and drawings."),
    el("ul", { class: "examples" }, ...EXAMPLES.map(([good, words, drawing]) =>
      el("li", { class: good ? "good" : "bad" },
        svg("svg", { viewBox: "0 0 60 80", "aria-hidden": "true" }, svg("rect", { width: 60, height: 80, class: "wall" }), svg("rect", { y: 66, width: 60, height: 14, class: "floor" }), ...drawing()),
        el("span", {}, `${good ? "✓" : "✗"} ${words}`)))),
    this.said,
    el("div", { class: "buttons" }, this.button, this.input, el("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel")));

  constructor() {
    document.body.append(this.dialog);
  }

  /** Who gets the picture that is chosen next. */
  set onPicture(done: (picture: string) => void) {
    this.done = done;
  }

  open(): void {
    this.say("");
    this.dialog.showModal();
    this.button.focus();
  }

  private async take(): Promise<void> {
    const file = this.input.files?.[0];
    this.input.value = "";
    if (!file) return;
    const { done } = this;
    this.button.disabled = true;
    this.say("Uploading…");
    try {
      const wrong = await whyNoPicture(file);
      if (wrong) {
        this.say(wrong, "wrong");
        if (!this.dialog.open) this.dialog.showModal();
        return;
      }
      const stored = await api.upload(file);
      this.dialog.close();
      done(stored.id);
    } catch (error) {
      this.say(error instanceof ApiError ? error.message : String(error), "wrong");
      if (!this.dialog.open) this.dialog.showModal();
    } finally {
      this.button.disabled = false;
    }
  }

  private say(words: string, kind = ""): void {
    this.said.className = kind;
    this.said.textContent = words;
  }
}

/** Why a file is no picture that can move; "" where it is one. */
async function whyNoPicture(file: File): Promise<string> {
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return Math.min(width, height) < LEAST_SIDE ? `“${file.name}” has ${width} × ${height} pixels: too few to see somebody in. Choose one of at least ${LEAST_SIDE} × ${LEAST_SIDE}.` : "";
  } catch {
    return `“${file.name}” is no picture that can be read. Choose a PNG, JPEG or WebP file; a video goes to Motion, “From a video or a file…”.`;
  }
}

type Answer = "asking" | { verdict: keyof typeof VERDICTS; words: string; more: number; people: number } | { wrong: string };

/** What the check says of pictures, asked once each. */
export class Verdicts {
  private readonly known = new Map<string, Answer>();

  private readonly counts = new Map<string, number>();

  constructor(private readonly onChange: () => void) {}

  /** How many people are in a picture, as far as is known. */
  people(picture: string): number {
    return this.counts.get(picture) ?? 1;
  }

  /** A line about a picture; "Looking…" until the answer is here, which is then told by `onChange`. */
  line(picture: string, look: Look | null): HTMLElement {
    const key = JSON.stringify([picture, saidOf(look)]);
    const answer = this.known.get(key) ?? this.ask(key, picture, look);
    if (answer === "asking") return el("p", { class: "hint picture-verdict", role: "status" }, "Looking at your picture…");
    if ("wrong" in answer) return el("p", { class: "wrong picture-verdict", role: "status" }, answer.wrong);
    const more = answer.more ? ` (and ${answer.more} more: Check)` : "";
    return el("p", { class: "picture-verdict", role: "status" }, el("span", { class: `verdict ${answer.verdict}` }, VERDICTS[answer.verdict]), ` ${answer.words}${more}`);
  }

  private ask(key: string, picture: string, look: Look | null): Answer {
    this.known.set(key, "asking");
    api.check(picture, saidOf(look), new AbortController().signal).then(
      ({ verdict, findings, people }) => {
        this.counts.set(picture, Math.max(people, this.counts.get(picture) ?? 0));
        const [first] = findings;
        this.known.set(key, { verdict, words: first ? inThePage(first.text) : "One person, well to be seen.", more: Math.max(0, findings.length - 1), people });
        this.onChange();
      },
      (error: unknown) => {
        if (error instanceof ApiError && error.gone) this.known.delete(key);
        else this.known.set(key, { wrong: error instanceof ApiError ? error.message : String(error) });
        if (this.known.has(key)) this.onChange();
      },
    );
    return "asking";
  }
}
