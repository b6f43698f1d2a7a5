/** The red frame: what the camera sees, small in the corner or over the whole view, and whom a take will show. */

import { UPRIGHT } from "./document";
import { el } from "./dom";
import type { State } from "./state";
import { leavesOut, namesOf, takeOf } from "./taking";

export class Shot {
  /** The frame has another shape, and lies over something else. */
  onShape: () => void = () => {};
  /** The frame has become large or small. */
  onSize: () => void = () => {};
  private own: number | null = null;
  private scene = 3 / 4;
  private shaped = "";
  private readonly films = el("p", { class: "films", hidden: true });
  private readonly button = el("button", { type: "button", id: "enlarge", onclick: () => this.toggle() });

  constructor(
    private readonly host: HTMLElement,
    private readonly state: State,
  ) {
    host.append(this.films, this.button);
    state.on("document", () => this.say());
    this.toggle(false);
  }

  get large(): boolean {
    return this.host.classList.contains("large");
  }

  toggle(large = !this.large): void {
    this.host.classList.toggle("large", large);
    this.host.parentElement?.classList.toggle("shot-large", large);
    this.button.textContent = large ? "×" : "⤢";
    this.button.title = large ? "Back to the stage (V or Esc)" : "Enlarge the shot (V)";
    this.button.setAttribute("aria-label", large ? "Back to the stage" : "Enlarge the shot");
    this.onSize();
  }

  /** Pixels of the screen across. */
  get width(): number {
    return Math.round(this.host.clientWidth * Math.min(devicePixelRatio, 2));
  }

  /** Width over height of what it shows: of a picture's own frame, else of the scene's. */
  get aspect(): number {
    return this.own ?? this.scene;
  }

  /** A picture's own frame has another shape; null where the scene's is shown again. */
  showOwn(aspect: number | null): void {
    this.own = aspect;
    this.shape();
  }

  private shape(): void {
    const shape = `${this.own !== null} ${this.aspect}`;
    if (shape === this.shaped) return;
    const first = this.shaped === "";
    this.shaped = shape;
    this.host.style.setProperty("--aspect", String(this.aspect));
    this.host.classList.toggle("own", this.own !== null);
    this.host.classList.toggle("wide", this.aspect > 1);
    if (!first) this.onShape();
  }

  private say(): void {
    const { doc } = this.state;
    const take = takeOf(doc, this.state.usual);
    this.films.hidden = !leavesOut(doc, take);
    const [w = 3, h = 4] = (take.kind === "model" ? UPRIGHT : doc.size).split("x").map(Number);
    this.scene = w / h;
    this.shape();
    const words = `${namesOf(doc, take.people)} alone`;
    if (this.films.textContent !== words) this.films.textContent = words;
  }
}
