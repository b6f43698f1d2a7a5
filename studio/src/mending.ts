/** A user's picture: what to expect of it, and an editor for its joints, its mask and its clothes. */

import { media } from "./access";
import { api, ApiError } from "./api";
import type { PictureCheck } from "./api";
import { PLAIN, saidOf } from "./document";
import type { Look } from "./document";
import { el, field, number, select } from "./dom";
import { draftOf, inThePage, marksOf, moveJoint, VERDICTS } from "./draft";
import type { Draft, Point, Stroke } from "./draft";
import { History } from "./history";
import { MendingCanvas } from "./mending_canvas";
import type { State } from "./state";

const TOOLS = [["joints", "Joints"], ["add", "Add to the mask"], ["remove", "Remove from it"]] as const;
export type Tool = (typeof TOOLS)[number][0];

export class Mending {
  private readonly dialog = el("dialog", { class: "mend", "aria-label": "Check and mend the picture" });
  private readonly stage = el("div", { class: "mend-stage" });
  private readonly report = el("div", { class: "report", role: "status" });
  private readonly tools = el("div", {});
  private readonly canvas = new MendingCanvas(this.stage);
  private history: History<Draft> | null = null;
  private check: PictureCheck | null = null;
  private image = new Image();
  private picture = "";
  private look: Look = PLAIN;
  private tool: Tool = "joints";
  private brush = 12;
  private stop = new AbortController();
  private done: (look: Look) => void = () => {};

  constructor(private readonly state: State) {
    this.dialog.append(this.stage, el("div", { class: "mend-side" }, el("h2", {}, "Your picture"), this.report, this.tools));
    document.body.append(this.dialog);
    this.dialog.addEventListener("close", () => this.stop.abort());
    this.dialog.addEventListener("keydown", this.keys);
    this.canvas.onJoint = (name, to, stands) => this.change((draft) => moveJoint(draft, name, to, this.size), stands ? "" : name);
    this.canvas.onStroke = (points) => {
      const stroke: Stroke = { adds: this.tool === "add", radius: this.brush, points };
      this.change((draft) => ({ ...draft, strokes: [...draft.strokes, stroke] }));
    };
  }

  /** Shows what to expect of a person's picture; `done` gets what was mended. */
  open(person: number, done: (look: Look) => void): void {
    const { pictures, looks } = this.state.doc.notes;
    this.picture = pictures[person] ?? "";
    if (!this.picture) return;
    this.done = done;
    this.tool = "joints";
    this.dialog.showModal();
    void this.start(looks[person] ?? PLAIN);
  }

  private get size(): Point {
    return this.check?.marks.size ?? [1, 1];
  }

  /** Looks at the picture as is said, and begins anew with what is found. */
  private async start(look: Look): Promise<void> {
    this.stop.abort();
    const { signal } = (this.stop = new AbortController());
    this.history = null;
    this.look = look;
    this.tools.replaceChildren();
    this.say("Looking at your picture…");
    try {
      const address = await media(`v1/files/${this.picture}/content`);
      this.image = new Image();
      this.image.src = address;
      await this.image.decode();
      this.canvas.show(this.image);
      const moved = look.marks ? Object.keys((JSON.parse(await (await api.file(`v1/files/${look.marks}/content`)).text()) as PictureCheck["marks"]).joints) : [];
      const check = await api.check(this.picture, saidOf(look), signal);
      if (signal.aborted) return;
      this.check = check;
      await this.canvas.begin(check, this.state.catalogue?.joints ?? [], this.state.catalogue?.parents ?? []);
      this.brush = Math.max(2, Math.round(Math.max(...this.size) / 50));
      this.history = new History(draftOf(check, look, moved));
      this.report.replaceChildren(
        el("p", { class: `verdict ${check.verdict}` }, VERDICTS[check.verdict]),
        check.findings.length ? el("ul", {}, ...check.findings.map((one) => el("li", {}, inThePage(one.text)))) : el("p", {}, "One person, well to be seen: nothing to mend."));
      this.draw();
    } catch (error) {
      if (signal.aborted) return;
      this.say(error instanceof ApiError ? error.message : String(error), "wrong");
      this.tools.replaceChildren(el("div", { class: "buttons" },
        ...(look === PLAIN ? [] : [el("button", { type: "button", onclick: () => void this.start(PLAIN) }, "Begin anew")]),
        el("button", { type: "button", onclick: () => this.dialog.close() }, "Close")));
    }
  }

  private say(words: string, kind = ""): void {
    this.report.replaceChildren(el("p", { class: kind }, words));
  }

  private change(next: (draft: Draft) => Draft, name = ""): void {
    if (!this.history) return;
    this.history.push(next(this.history.value), name);
    this.draw();
  }

  private draw(): void {
    const { history, check } = this;
    if (!history || !check) return;
    const draft = history.value;
    this.canvas.draw(draft, this.tool, this.brush);
    const active = this.tools.contains(document.activeElement) ? document.activeElement?.id : "";
    const tool = el("div", { class: "tools", role: "group", "aria-label": "Tool" }, ...TOOLS.map(([name, label]) =>
      el("button", { type: "button", id: `mend-${name}`, "aria-pressed": name === this.tool ? "true" : "false", onclick: () => { this.tool = name; this.draw(); } }, label)));
    const brush = el("input", { type: "range", id: "mend-brush", min: 2, max: Math.round(Math.max(...this.size) / 8), value: this.brush, oninput: () => { this.brush = Number(brush.value); this.canvas.draw(history.value, this.tool, this.brush); } });
    const several = draft.who !== null || check.findings.some((one) => one.what === "several people");
    const step = (which: "undo" | "redo", able: boolean, sign: string): HTMLElement =>
      el("button", { type: "button", id: `mend-${which}`, disabled: !able, "aria-label": `${which === "undo" ? "Undo" : "Redo"} in the picture`, onclick: () => this.step(which) }, sign);
    this.tools.replaceChildren(
      tool,
      this.tool === "joints" ? el("p", { class: "hint" }, "Drag a joint, or choose it with Tab and use the arrow keys (Shift: farther). Red is the person's own left.") : field("Brush", brush),
      el("div", { class: "buttons" }, step("undo", history.canUndo, "↶"), step("redo", history.canRedo, "↷"),
        el("button", { type: "button", id: "mend-anew", class: "quiet", onclick: () => void this.start(PLAIN) }, "As it was found")),
      field("Clothes", select([["auto", "as the outline says"], ["skirt", "a skirt or a coat"], ["trousers", "trousers"]], draft.clothes, (clothes) => this.change((d) => ({ ...d, clothes: clothes as Look["clothes"] }))),
        "Whether what hangs between the legs goes with both, or is cut between them."),
      field("Hips and legs", select([["auto", "as the picture says"], ["move", "move"], ["stay", "keep still"]], draft.legs, (legs) => this.change((d) => ({ ...d, legs: legs as Look["legs"] })))),
      ...(several ? [field("Who, from the left", number(draft.who === null ? null : draft.who + 1, { min: 1, max: 99, step: 1, empty: "the largest" }, (who) => void this.start({ ...PLAIN, clothes: draft.clothes, legs: draft.legs, who: who === null ? null : who - 1 })))] : []),
      el("div", { class: "buttons mend-end" },
        el("button", { type: "button", id: "mend-look", onclick: () => void this.keep().then((look) => look && this.start(look)) }, "Look again"),
        el("button", { type: "button", class: "quiet", onclick: () => this.dialog.close() }, "Cancel"),
        el("button", { type: "button", id: "mend-use", class: "primary", onclick: () => void this.use() }, "Use it")));
    if (active) this.tools.querySelector<HTMLElement>(`#${active}`)?.focus();
  }

  private step(which: "undo" | "redo"): void {
    if (this.history?.[which]()) this.draw();
  }

  private async use(): Promise<void> {
    const look = await this.keep();
    if (!look) return;
    this.dialog.close();
    this.done(look);
  }

  /** Uploads what was mended; null where that does not work. */
  private async keep(): Promise<Look | null> {
    const { history, check, look } = this;
    if (!history || !check) return null;
    const { clothes, legs, who, strokes } = history.value;
    try {
      const marks = marksOf(history.value, check);
      const file = marks && (await api.upload(new File([JSON.stringify(marks)], "joints.json", { type: "application/json" })));
      const mask = strokes.length ? await api.upload(new File([await this.canvas.mask(this.image)], "mask.png", { type: "image/png" })) : null;
      return { clothes, legs, who, marks: file?.id ?? null, mask: mask?.id ?? look.mask };
    } catch (error) {
      this.say(error instanceof ApiError ? error.message : String(error), "wrong");
      return null;
    }
  }

  /** Ctrl+Z here is about the picture; the scene's undo comes after it is used. */
  private readonly keys = (event: KeyboardEvent): void => {
    if (!(event.ctrlKey || event.metaKey)) return;
    event.stopPropagation();
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    this.step(key === "y" || event.shiftKey ? "redo" : "undo");
  };
}
