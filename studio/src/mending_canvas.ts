/** The picture with its mask and its joints, which the mouse and the keyboard move. */

import type { PictureCheck } from "./api";
import type { Draft, Point, Stroke } from "./draft";
import type { Tool } from "./mending";

const SHADE = "rgba(12, 16, 34, 0.62)"; // over what is not the person
const INNER = /spine|collar|hand|foot/; // joints with small handles

type Attributes = Record<string, string | number>;

function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

export class MendingCanvas {
  /** A joint is moved; `stands` where this is a step of its own, not one of a drag. */
  onJoint: (name: string, to: Point, stands: boolean) => void = () => {};
  onStroke: (points: Point[]) => void = () => {};
  private readonly frame = document.createElement("div");
  private readonly shade = document.createElement("canvas");
  private readonly drawing = svg("svg", { class: "mend-drawing" });
  private readonly bones = svg("g");
  private readonly handles = svg("g");
  private readonly tip = svg("circle", { class: "brush" });
  /** Who it is, opaque where somebody is: as found, and with the strokes. */
  private readonly found = document.createElement("canvas");
  private readonly now = document.createElement("canvas");
  private names: string[] = [];
  private parents: number[] = [];
  private draft: Draft | null = null;
  private tool: Tool = "joints";
  private brush = 1;
  private dragged: string | null = null;
  private stroke: Point[] | null = null;

  constructor(host: HTMLElement) {
    this.frame.className = "mend-frame";
    this.drawing.append(this.bones, this.handles, this.tip);
    host.append(this.frame);
    this.drawing.addEventListener("pointerdown", this.down);
    this.drawing.addEventListener("pointermove", this.move);
    for (const end of ["pointerup", "pointercancel"] as const) this.drawing.addEventListener(end, this.up);
    this.drawing.addEventListener("pointerleave", () => this.tip.setAttribute("r", "0"));
    this.drawing.addEventListener("keydown", this.keys);
  }

  /** The picture alone, while it is looked at. */
  show(image: HTMLImageElement): void {
    image.alt = "your picture";
    image.draggable = false;
    this.frame.style.setProperty("--aspect", String(image.naturalWidth / image.naturalHeight));
    this.frame.replaceChildren(image);
  }

  /** What a check found in it. */
  async begin(check: PictureCheck, names: string[], parents: number[]): Promise<void> {
    const [width, height] = check.marks.size;
    this.names = names;
    this.parents = parents;
    this.draft = null;
    for (const canvas of [this.shade, this.found, this.now]) [canvas.width, canvas.height] = [width, height];
    const cutout = new Image();
    cutout.src = `data:image/png;base64,${check.cutout}`;
    await cutout.decode();
    const context = drawn(this.found);
    context.drawImage(cutout, 0, 0);
    const pixels = context.getImageData(0, 0, width, height);
    for (let i = 0; i < pixels.data.length; i += 4) {
      pixels.data[i + 3] = pixels.data[i] ?? 0;
      pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = 255;
    }
    context.putImageData(pixels, 0, 0);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.handles.replaceChildren();
    this.frame.append(this.shade, this.drawing);
  }

  draw(draft: Draft, tool: Tool, brush: number): void {
    const before = this.draft;
    this.draft = draft;
    this.tool = tool;
    this.brush = brush;
    this.drawing.classList.toggle("brushing", tool !== "joints");
    if (tool === "joints") this.tip.setAttribute("r", "0");
    if (before?.strokes !== draft.strokes) this.mend(draft.strokes);
    this.pose(draft);
  }

  /** The mask as a grey PNG of the picture's own size. */
  mask(image: HTMLImageElement): Promise<Blob> {
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [image.naturalWidth, image.naturalHeight];
    const context = drawn(whole);
    context.fillRect(0, 0, whole.width, whole.height);
    context.drawImage(this.now, 0, 0, whole.width, whole.height);
    return new Promise((resolve, reject) => whole.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the mask cannot be written")))));
  }

  private mend(strokes: Stroke[]): void {
    const context = drawn(this.now);
    context.clearRect(0, 0, this.now.width, this.now.height);
    context.globalCompositeOperation = "source-over";
    context.drawImage(this.found, 0, 0);
    for (const stroke of strokes) paint(context, stroke);
    this.veil();
  }

  private veil(): void {
    const context = drawn(this.shade);
    context.globalCompositeOperation = "copy";
    context.fillStyle = SHADE;
    context.fillRect(0, 0, this.shade.width, this.shade.height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.now, 0, 0);
  }

  private pose(draft: Draft): void {
    const unit = Math.max(this.shade.width, this.shade.height) / 100;
    const place = (i: number): Point | undefined => draft.joints[this.names[i] ?? ""];
    this.bones.replaceChildren(...this.parents.flatMap((parent, child) => {
      const [from, to] = [place(parent), place(child)];
      return from && to ? ["bone under", "bone"].map((kind) => svg("line", { class: kind, x1: from[0], y1: from[1], x2: to[0], y2: to[1] })) : [];
    }));
    if (!this.handles.childElementCount) {
      for (const name of this.names) {
        const words = name.replaceAll("_", " ");
        const side = name.startsWith("left") ? "left" : name.startsWith("right") ? "right" : "middle";
        const handle = svg("circle", { class: `joint ${side}`, r: unit * (INNER.test(name) ? 0.7 : 1.2), tabindex: 0, role: "button", "aria-label": words, "data-joint": name });
        const title = svg("title");
        title.textContent = words;
        handle.append(title);
        this.handles.append(handle);
      }
    }
    for (const handle of this.handles.querySelectorAll<SVGCircleElement>("circle")) {
      const at = draft.joints[handle.dataset.joint ?? ""];
      if (!at) continue;
      handle.setAttribute("cx", String(at[0]));
      handle.setAttribute("cy", String(at[1]));
      handle.classList.toggle("moved", draft.moved.includes(handle.dataset.joint ?? ""));
    }
  }

  private at(event: PointerEvent): Point {
    const box = this.drawing.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.shade.width, ((event.clientY - box.top) / box.height) * this.shade.height];
  }

  private readonly down = (event: PointerEvent): void => {
    if (event.button !== 0 || !this.draft) return;
    if (this.tool === "joints") {
      const handle = (event.target as Element).closest<SVGElement>("[data-joint]");
      this.dragged = handle?.dataset.joint ?? null;
      handle?.focus();
    } else {
      this.stroke = [this.at(event)];
      this.dab();
    }
    if (this.dragged || this.stroke) {
      this.drawing.setPointerCapture(event.pointerId);
      event.preventDefault();
    }
  };

  private readonly move = (event: PointerEvent): void => {
    const at = this.at(event);
    if (this.tool !== "joints") {
      for (const [name, value] of [["cx", at[0]], ["cy", at[1]], ["r", this.brush]] as const) this.tip.setAttribute(name, String(value));
    }
    if (this.dragged && this.draft) {
      // Shown at once, taken when the pointer is let go.
      this.pose({ ...this.draft, joints: { ...this.draft.joints, [this.dragged]: at } });
    } else if (this.stroke) {
      this.stroke.push(at);
      this.dab();
    }
  };

  private readonly up = (event: PointerEvent): void => {
    const { dragged, stroke } = this;
    this.dragged = this.stroke = null;
    if (dragged) this.onJoint(dragged, this.at(event), true);
    if (stroke) this.onStroke(stroke);
  };

  /** The stroke so far, before it is taken. */
  private dab(): void {
    if (!this.stroke) return;
    paint(drawn(this.now), { adds: this.tool === "add", radius: this.brush, points: this.stroke.slice(-2) });
    this.veil();
  }

  private readonly keys = (event: KeyboardEvent): void => {
    const name = (event.target as SVGElement).dataset?.joint;
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = this.draft?.joints[name ?? ""];
    if (!name || !by || !from) return;
    event.preventDefault();
    event.stopPropagation();
    const step = (event.shiftKey ? 0.02 : 0.004) * Math.max(this.shade.width, this.shade.height);
    this.onJoint(name, [from[0] + step * (by[0] ?? 0), from[1] + step * (by[1] ?? 0)], false);
  };
}

const drawn = (canvas: HTMLCanvasElement): CanvasRenderingContext2D => {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no pictures");
  return context;
};

function paint(context: CanvasRenderingContext2D, { adds, radius, points }: Stroke): void {
  context.globalCompositeOperation = adds ? "source-over" : "destination-out";
  context.strokeStyle = "#fff";
  context.lineWidth = 2 * radius;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  const [first, ...rest] = points;
  if (!first) return;
  context.moveTo(...first);
  for (const point of rest.length ? rest : [first]) context.lineTo(...point);
  context.stroke();
}
