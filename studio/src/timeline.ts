/** The timeline: tracks of prompts and of keyframes for the selected person, and one for the camera. */

import type { Block, SceneDocument } from "./document";
import { addBlock, byWords, changeMotion, dragBlock, snap, snapTo } from "./document";
import { el } from "./dom";
import type { Selection, State } from "./state";
import { COLOURS } from "./view";
import type { HandleId } from "./view";

const FPS = 20;
const NAMES = 112; // pixels of the names before the tracks, as in style.css
const GAP = 12; // pixels after the tracks
const LEAST = 22; // pixels of a second
const MARK = 56; // pixels between two marks of the ruler
const EDGE = 8; // pixels at the end of a block that stretch it
const DRAWN = 7; // pixels within which a key is drawn to the begin, the playhead, the end or an edge of a block

interface Track {
  name: string;
  hint: string;
  parts?: string[];
  keys?: (doc: SceneDocument, person: number) => { time: number; selection: Selection; label: string }[];
}

const TRACKS: Track[] = [
  { name: "Words", hint: "what the whole body does", parts: ["whole_body"] },
  { name: "Parts", hint: "what arms, legs or torso do meanwhile", parts: ["arms"] },
  {
    name: "Path",
    hint: "where the person goes",
    keys: (doc, p) => (doc.people[p]?.motion.path ?? []).map((k, index) => ({ time: k.time, selection: { kind: "path", person: p, index }, label: "path point" })),
  },
  {
    name: "Body",
    hint: "whole poses that are held",
    keys: (doc, p) => (doc.people[p]?.motion.poses ?? []).map((k, index) => ({ time: k.time, selection: { kind: "pose", person: p, index }, label: "pose" })),
  },
  {
    name: "Hands, feet",
    hint: "places that a joint reaches",
    keys: (doc, p) => (doc.people[p]?.motion.targets ?? []).map((k, index) => ({ time: k.time, selection: { kind: "target", person: p, index }, label: k.joint.replace("_", " ") })),
  },
  {
    name: "Camera",
    hint: "keys of the camera; without any, its words are followed",
    keys: (doc) => doc.camera.keys.map((k, index) => ({ time: k.time, selection: { kind: "camera", person: 0, index }, label: "camera key" })),
  },
];

export class Timeline {
  private readonly ruler = el("div", { class: "ruler", role: "slider", tabindex: 0, "aria-label": "Time in seconds" });
  private readonly rows = el("div", { class: "rows" });
  private readonly head = el("div", { class: "playhead" });
  /** Wider than the timeline where a scene is long: then it scrolls. */
  private readonly sheet = el("div", { class: "sheet" }, this.ruler, this.rows, this.head);
  private dragging = false;
  private told = 0;
  private origin = 0;
  private width = 1;
  private room = 1;
  private scrolled = 0;

  constructor(
    private readonly host: HTMLElement,
    private readonly state: State,
  ) {
    host.append(this.sheet);
    this.ruler.addEventListener("pointerdown", this.scrub);
    this.ruler.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1 / FPS, ArrowRight: 1 / FPS, PageUp: -1, PageDown: 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      state.seek(state.time + step);
    });
    state.on("document", () => this.build());
    state.on("scene", () => this.build());
    state.on("selection", () => this.build());
    state.on("time", () => this.place());
    host.addEventListener("scroll", () => (this.scrolled = host.scrollLeft));
    new ResizeObserver(() => this.build()).observe(host);
    this.build();
  }

  /** Measured when the timeline is built: asking for it in every frame would lay the page out anew. */
  private get left(): number {
    return this.origin;
  }
  private get scale(): number {
    return this.width / (this.span || 1);
  }
  /** Seconds shown: a little more than there is, so that there is room to add. */
  private get span(): number {
    return Math.max(6, Math.ceil(this.state.seconds + 1));
  }

  private build(): void {
    if (this.dragging) return;
    const focused = document.activeElement?.getAttribute("data-key");
    const { state } = this;
    const span = this.span;
    this.ruler.replaceChildren();
    const room = Math.max(1, this.host.clientWidth - NAMES - GAP);
    const second = Math.max(LEAST, room / span);
    this.sheet.style.width = second > room / span ? `${NAMES + second * span}px` : "";
    const every = [1, 2, 5, 10].find((s) => s * second >= MARK) ?? 30;
    for (let s = 0; s <= span; s += every) {
      const mark = el("span", { class: "tick" }, `${s} s`, el("small", {}, String(s * FPS)));
      mark.style.left = `${(100 * s) / span}%`;
      this.ruler.append(mark);
    }
    const ending = el("span", { class: "ending", title: "end of the scene" });
    ending.style.left = `${(100 * state.seconds) / span}%`;
    this.ruler.append(ending);
    this.rows.replaceChildren(...TRACKS.map((track) => this.row(track, span)));
    this.origin = this.ruler.offsetLeft;
    this.width = this.ruler.clientWidth;
    this.room = room;
    this.scrolled = this.host.scrollLeft;
    this.place();
    if (focused) this.host.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
  }

  private row(track: Track, span: number): HTMLElement {
    const { state } = this;
    const lane = el("div", { class: "lane" });
    const motion = state.doc.people[state.person]?.motion;
    const colour = track.name === "Camera" ? "var(--camera)" : (COLOURS[state.person % COLOURS.length] ?? "#888");
    const words = motion !== undefined && byWords(motion);
    if (track.parts && motion && words) {
      const whole = track.parts[0] === "whole_body";
      motion.blocks.forEach((block, index) => {
        if ((block.parts[0] === "whole_body") === whole) lane.append(this.block(block, index, span, colour));
      });
      lane.addEventListener("dblclick", (event) => {
        if (event.target !== lane) return;
        const at = snap((event.offsetX / lane.clientWidth) * span);
        this.add(at, track.parts ?? ["whole_body"]);
      });
    }
    if (motion && !words && track.parts?.[0] === "whole_body") {
      const name = state.doc.notes.files[state.person] ?? "a file";
      const box = el("div", { class: "block file", title: name }, name);
      box.style.width = `${(100 * state.seconds) / span}%`;
      lane.append(box);
    }
    if (words || track.name === "Camera") track.keys?.(state.doc, state.person).forEach((key) => lane.append(this.key(key, span, colour)));
    const add = track.parts && words
      ? el("button", { class: "add", type: "button", title: `Add to ${track.name}`, "aria-label": `Add to ${track.name}`, onclick: () => this.add(state.time, track.parts ?? []) }, "+")
      : null;
    return el("div", { class: "row" }, el("div", { class: "name", title: track.hint }, el("span", {}, track.name), add), lane);
  }

  /** A new block on a track, selected, with its text to be typed. */
  add(at: number, parts: string[]): void {
    const { state } = this;
    const moved = state.doc.people[state.person]?.motion;
    if (!moved || !byWords(moved)) return;
    const whole = parts[0] === "whole_body";
    let made = -1;
    const doc = changeMotion(state.doc, state.person, (motion) => {
      const added = addBlock(motion, at, parts, whole ? "a person stands still" : "waves");
      made = added.index;
      return added.motion;
    });
    if (made < 0) return;
    state.edit(doc);
    state.select({ kind: "block", index: made });
    document.querySelector<HTMLInputElement>("#block-text")?.select();
  }

  private block(block: Block, index: number, span: number, colour: string): HTMLElement {
    const { state } = this;
    const selected = state.selection?.kind === "block" && state.selection.index === index;
    const where = `${block.start.toFixed(2)} to ${block.end.toFixed(2)} s`;
    const box = el("button", {
      class: `block${selected ? " selected" : ""}`, type: "button", "data-key": `block-${index}`, title: `${block.text} (${where})`,
      "aria-label": `${block.text}, ${block.parts.join(", ").replaceAll("_", " ")}, ${where}`, "aria-pressed": selected ? "true" : "false",
    }, el("span", {}, block.text), block.parts[0] === "whole_body" ? null : el("small", {}, block.parts.join(", ").replaceAll("_", " ")));
    box.style.left = `${(100 * block.start) / span}%`;
    box.style.width = `${(100 * (block.end - block.start)) / span}%`;
    box.style.setProperty("--colour", colour);
    box.addEventListener("pointerdown", (event) => this.dragBlock(event, box, index, block));
    box.addEventListener("click", () => state.select({ kind: "block", index }));
    box.addEventListener("dblclick", () => document.querySelector<HTMLInputElement>("#block-text")?.select());
    box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.putBlock(index, dragBlock(block, by, event.altKey ? "end" : "both"), "nudge");
    });
    return box;
  }

  private putBlock(index: number, block: Block, name: string): void {
    const { state } = this;
    state.edit(changeMotion(state.doc, state.person, (m) => ({ ...m, blocks: m.blocks.map((b, i) => (i === index ? block : b)) })), `${name} ${index}`);
  }

  private dragBlock(event: PointerEvent, box: HTMLElement, index: number, block: Block): void {
    if (event.button !== 0) return;
    const edges = box.getBoundingClientRect();
    const edge = event.clientX - edges.left < EDGE ? "start" : edges.right - event.clientX < EDGE ? "end" : "both";
    let moved = block;
    const span = this.span;
    this.follow(event, box, (seconds) => {
      moved = dragBlock(block, seconds, edge);
      box.style.left = `${(100 * moved.start) / span}%`;
      box.style.width = `${(100 * (moved.end - moved.start)) / span}%`;
    }, () => {
      if (moved.start !== block.start || moved.end !== block.end) this.putBlock(index, moved, "drag");
      this.state.select({ kind: "block", index });
    });
  }

  private key(key: { time: number; selection: Selection; label: string }, span: number, colour: string): HTMLElement {
    const { state } = this;
    const same = state.selection && key.selection && state.selection.kind === key.selection.kind && state.selection.index === key.selection.index;
    const dot = el("button", {
      class: `key${same ? " selected" : ""}`, type: "button", "data-key": `${key.selection?.kind}-${key.selection?.index}`,
      title: `${key.label} at ${key.time.toFixed(2)} s`, "aria-label": `${key.label} at ${key.time.toFixed(2)} seconds`, "aria-pressed": same ? "true" : "false",
    });
    dot.style.left = `${(100 * key.time) / span}%`;
    dot.style.setProperty("--colour", colour);
    let time = key.time;
    dot.addEventListener("click", () => state.select(key.selection));
    dot.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1 / FPS, ArrowRight: 1 / FPS }[event.key];
      if (by === undefined || !key.selection || key.selection.kind === "block") return;
      event.preventDefault();
      event.stopPropagation();
      this.retime(key.selection, snap(Math.max(0, key.time + (event.shiftKey ? FPS * by : by))));
    });
    dot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.follow(event, dot, (seconds) => {
        time = snapTo(Math.min(this.span, Math.max(0, key.time + seconds)), this.moments(), DRAWN / this.scale);
        dot.style.left = `${(100 * time) / span}%`;
      }, () => {
        if (time !== key.time && key.selection && key.selection.kind !== "block") this.retime(key.selection, time);
      });
    });
    return dot;
  }

  /** Moments to which a dragged key is drawn. */
  private moments(): number[] {
    const blocks = this.state.doc.people[this.state.person]?.motion.blocks ?? [];
    return [0, this.state.time, this.state.seconds, ...blocks.flatMap((b) => [b.start, b.end])];
  }

  /** Moves a key in time; it goes on being selected, and keeps the focus. */
  private retime(selection: HandleId, time: number): void {
    const { state } = this;
    const { kind, index, person } = selection;
    let at = 0;
    const again = <K extends { time: number }>(keys: K[]): K[] => {
      const key = keys[index];
      if (!key) return keys;
      const moved = { ...key, time };
      // Joints have places at the same moment: of those only the joint's own gives way.
      const others = keys.filter((k, i) => i !== index && (k.time !== time || (k as { joint?: unknown }).joint !== (key as { joint?: unknown }).joint));
      const put = [...others, moved].sort((a, b) => a.time - b.time);
      at = put.indexOf(moved);
      return put;
    };
    const doc = kind === "camera"
      ? { ...state.doc, camera: { ...state.doc.camera, keys: again(state.doc.camera.keys) } }
      : changeMotion(state.doc, person, (m) =>
        kind === "path" ? { ...m, path: again(m.path) } : kind === "pose" ? { ...m, poses: again(m.poses) } : { ...m, targets: again(m.targets) });
    state.edit(doc, `retime ${kind}`);
    state.select({ ...selection, index: at });
    this.host.querySelector<HTMLElement>(`[data-key="${kind}-${at}"]`)?.focus();
  }

  /** Calls `move` with seconds from where the pointer went down, and `done` when it goes up. */
  private follow(event: PointerEvent, element: HTMLElement, move: (seconds: number) => void, done: () => void): void {
    const begin = event.clientX;
    let went = false;
    element.setPointerCapture(event.pointerId);
    const on = (e: PointerEvent): void => {
      if (Math.abs(e.clientX - begin) > 2) went = this.dragging = true;
      if (went) move((e.clientX - begin) / this.scale);
    };
    const end = (): void => {
      element.removeEventListener("pointermove", on);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
      this.dragging = false;
      if (went) done();
    };
    element.addEventListener("pointermove", on);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }

  private readonly scrub = (event: PointerEvent): void => {
    const at = (e: PointerEvent): void => this.state.seek((e.clientX - this.ruler.getBoundingClientRect().left) / this.scale);
    this.ruler.setPointerCapture(event.pointerId);
    at(event);
    const move = (e: PointerEvent): void => at(e);
    const up = (): void => this.ruler.removeEventListener("pointermove", move);
    this.ruler.addEventListener("pointermove", move);
    this.ruler.addEventListener("pointerup", up, { once: true });
    this.ruler.addEventListener("pointercancel", up, { once: true });
  };

  private place(): void {
    this.head.style.transform = `translateX(${this.left + this.state.time * this.scale}px)`;
    if (this.state.playing) this.turnPage();
    const now = performance.now();
    if (this.state.playing && now - this.told < 250) return; // words are for people, pixels for every frame
    this.told = now;
    this.ruler.setAttribute("aria-valuenow", this.state.time.toFixed(2));
    this.ruler.setAttribute("aria-valuemin", "0");
    this.ruler.setAttribute("aria-valuemax", this.state.seconds.toFixed(2));
    this.ruler.setAttribute("aria-valuetext", `${this.state.time.toFixed(2)} seconds, frame ${Math.round(this.state.time * FPS)}`);
  }

  /** While a long scene plays, the timeline goes on with the playhead, a page at a time. */
  private turnPage(): void {
    const { room, scrolled } = this;
    if (this.width <= room) return;
    const at = this.state.time * this.scale;
    if (at < scrolled || at > scrolled + room) this.host.scrollLeft = this.scrolled = Math.max(0, at - 0.05 * room);
  }
}
